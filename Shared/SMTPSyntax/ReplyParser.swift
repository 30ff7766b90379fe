import NIOCore

/// What a server sent is not a reply, or too much of one.
public enum ReplyError: Error, Sendable, Hashable {
    /// No three digits, or a code that changes between the lines of one reply (RFC 5321, 4.2.1).
    case malformed
    /// A line beyond the limit.
    case lineTooLong
    /// More lines than the limit.
    case tooManyLines
}

/// Reads replies from a stream, for the client's side. It copies with the most careless servers: a bare LF ends a line
/// here, since nothing can be smuggled to a client.
public struct ReplyParser: Sendable {
    /// RFC 5321, 4.5.3.1.5 says 512; servers send more.
    public var lineOctets = 2_048
    /// Of one reply.
    public var lineCount = 256

    private var code: UInt16?
    private var enhanced: EnhancedStatus?
    private var lines: [String] = []

    /// With the limits above.
    public init() {}

    /// The next whole reply; nil when more octets are needed. Lines that were read are taken from the buffer.
    public mutating func next(_ input: inout ByteBuffer) throws(ReplyError) -> Reply? {
        while true {
            let view = input.readableBytesView
            guard let end = view.firstIndex(of: Octet.lineFeed) else {
                guard view.count <= lineOctets else { throw .lineTooLong }
                return nil
            }
            let length = end - view.startIndex
            guard length <= lineOctets else { throw .lineTooLong }
            guard var line = input.readSlice(length: length) else { return nil }
            input.moveReaderIndex(forwardBy: 1)
            if line.readableBytesView.last == Octet.carriageReturn {
                line.moveWriterIndex(to: line.writerIndex - 1)
            }
            if let reply = try lineReceived(line) { return reply }
        }
    }

    private mutating func lineReceived(_ line: ByteBuffer) throws(ReplyError) -> Reply? {
        let octets = line.readableBytesView
        guard octets.count >= 3, octets.prefix(3).allSatisfy(\.isDigit) else { throw .malformed }
        let number = octets.prefix(3).reduce(UInt16(0)) { $0 &* 10 &+ UInt16($1 &- 0x30) }
        guard (200...599).contains(number), code == nil || code == number else { throw .malformed }
        code = number
        let separator = octets.dropFirst(3).first
        guard separator == nil || separator == Octet.space || separator == Octet.hyphen else { throw .malformed }
        var text = Substring(String(decoding: octets.dropFirst(4), as: UTF8.self))
        if let found = Self.enhancedPrefix(of: text, code: number), enhanced == nil || enhanced == found.status {
            // The first line decides; an EHLO reply has none.
            if lines.isEmpty || enhanced != nil {
                enhanced = found.status
                text = found.rest
            }
        }
        guard lines.count < lineCount else { throw .tooManyLines }
        lines.append(String(text))
        guard separator != Octet.hyphen else { return nil }
        defer {
            code = nil
            enhanced = nil
            lines = []
        }
        return Reply(code: number, enhanced: enhanced, lines: lines)
    }

    private static func enhancedPrefix(
        of text: Substring, code: UInt16
    ) -> (status: EnhancedStatus, rest: Substring)? {
        let word = text.prefix { $0 != " " }
        guard let status = EnhancedStatus(word), UInt16(status.statusClass) == code / 100 else { return nil }
        return (status, text.dropFirst(word.count).drop { $0 == " " })
    }
}
