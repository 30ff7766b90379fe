/// One place for a connection: what it waits for, and what it has in hand.
///
/// MAIL, RCPT and DATA leave in one write, as large senders pipeline them (RFC 2920); the message and its end in another.
final class ClientSession {
    enum State {
        case closed
        /// Refused a moment ago; connects again when it is time.
        case resting
        case connecting
        case greeting
        case hello
        case idle
        /// Three replies are awaited: MAIL, RCPT, DATA.
        case envelope(received: Int)
        /// The message is out and its reply is awaited.
        case content
        case quitting
    }

    let index: Int
    var state = State.closed
    var descriptor: Int32 = -1
    /// Changes with every message and every connection, so that an old deadline is known as old.
    var generation: UInt32 = 0
    /// Changes with every connection, so that an event of the one before is known as old.
    var connection: UInt32 = 0
    /// When the message in hand was offered.
    var offeredAt: Int64?
    /// When the first octet of MAIL was written.
    var begunAt: Int64 = 0
    var messages = 0
    /// The first reply that refused the message in hand.
    var refusal: Int?
    /// What the socket did not take yet.
    var unsent: [UInt8] = []
    var replies = ReplyScanner()

    init(index: Int) { self.index = index }
}

/// Finds complete replies in octets (RFC 5321, 4.2), without keeping any.
struct ReplyScanner {
    private var column = 0
    private var code = 0
    private var isLast = true

    /// The code of the reply whose last line ends with this octet.
    mutating func take(_ octet: UInt8) -> Int? {
        if octet == UInt8(ascii: "\n") {
            defer { self = ReplyScanner() }
            return isLast ? code : nil
        }
        if column < 3 { code = code * 10 + Int(octet &- UInt8(ascii: "0")) }
        if column == 3 { isLast = octet != UInt8(ascii: "-") }
        column += 1
        return nil
    }
}

/// The octets of a message; each is another one, since an identical one from another connection would be a repetition.
struct MessageTemplate {
    private var octets: [UInt8]
    private let numberAt: Int
    private static let digits = 20

    init(octets count: Int, run: UInt64) {
        let head = "From: <load@elsewhere.test>\r\nSubject: load\r\nMessage-ID: <\(run)."
        let tail = "@elsewhere.test>\r\n\r\n"
        octets = Array(head.utf8)
        numberAt = octets.count
        octets += [UInt8](repeating: UInt8(ascii: "0"), count: Self.digits)
        octets += Array(tail.utf8)
        let line = Array("The quick brown fox jumps over the lazy dog, and the load goes on and on.\r\n".utf8)
        while octets.count + line.count <= count { octets += line }
        octets += Array(".\r\n".utf8)
    }

    /// The message with this number, with its end of data.
    mutating func withMessage<Result>(_ number: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
        -> Result
    {
        var rest = number
        for place in (numberAt..<numberAt + Self.digits).reversed() {
            octets[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        return try octets.withUnsafeBytes(body)
    }
}
