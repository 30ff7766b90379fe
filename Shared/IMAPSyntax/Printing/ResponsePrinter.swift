import NIOCore

/// Writes what a server sends straight into a buffer (RFC 9051, 7). For a client of IMAP4rev1 mailbox names are in
/// modified UTF-7 and texts in ASCII.
public struct ResponsePrinter: Sendable {
    /// What has been written and not been taken.
    public internal(set) var buffer: ByteBuffer
    /// How mailbox names are written.
    public var encoding: SessionEncoding

    /// Whether an item of the FETCH response that is being written precedes.
    var needsSpace = false

    /// A printer that writes behind what the buffer holds.
    public init(buffer: ByteBuffer = ByteBuffer(), encoding: SessionEncoding = .modifiedUTF7) {
        self.buffer = buffer
        self.encoding = encoding
    }

    /// Hands out what has been written, and starts with a buffer of its own again.
    public mutating func take() -> ByteBuffer {
        let written = buffer
        buffer = ByteBuffer()
        return written
    }

    /// Makes room for so many octets.
    public mutating func reserve(_ octets: Int) { buffer.reserveCapacity(octets) }

    /// Octets that have been written and not been taken.
    public var octetCount: Int { buffer.readableBytes }

    /// Any response.
    public mutating func write(_ response: Response) {
        switch response {
        case .tagged(let tag, let status): tagged(tag, status)
        case .untagged(let response): untagged(response)
        case .continuation(.text(let text)): continuation(text)
        case .continuation(.challenge(let octets)): challenge(octets)
        }
    }

    /// The end of a command.
    public mutating func tagged(_ tag: String, _ status: StatusResponse) {
        text(tag)
        space()
        write(status)
    }

    /// A status that ends no command; also the greeting and BYE.
    public mutating func untagged(_ status: StatusResponse) {
        text("* ")
        write(status)
    }

    private mutating func write(_ status: StatusResponse) {
        text(status.condition.rawValue)
        space()
        responseText(status.text)
        endOfLine()
    }

    /// `+` with a text.
    public mutating func continuation(_ request: ResponseText) {
        text("+ ")
        responseText(request)
        endOfLine()
    }

    /// `+` with a challenge in base64; an empty one is `+ ` (RFC 9051, 6.2.2).
    public mutating func challenge(_ octets: ByteBuffer) {
        text("+ ")
        Base64.encode(octets, into: &buffer)
        endOfLine()
    }

    /// `resp-text`
    private mutating func responseText(_ responseText: ResponseText) {
        if let code = responseText.code {
            octet(UInt8(ascii: "["))
            self.code(code)
            text("] ")
        }
        humanText(responseText.text)
    }

    /// A text for a person: never empty, on one line, not mistaken for a code, and in ASCII where the client has not
    /// enabled UTF-8 (RFC 9051, 9: `text`).
    private mutating func humanText(_ human: String) {
        if human.isEmpty { return text(".") }
        var isFirst = true
        for octet in human.utf8 {
            let isPrintable = octet >= 0x20 && octet != 0x7F && (octet < 0x80 || encoding == .utf8)
            // "[" at the beginning would be read as a code.
            let isBracket = isFirst && octet == UInt8(ascii: "[")
            self.octet(isPrintable && !isBracket ? octet : isBracket ? UInt8(ascii: "(") : UInt8(ascii: "?"))
            isFirst = false
        }
    }

    // MARK: Numbers

    /// `* 23 EXISTS`
    public mutating func exists(_ count: UInt32) { numbered(count, " EXISTS\r\n") }

    /// `* 5 RECENT`, IMAP4rev1.
    public mutating func recent(_ count: UInt32) { numbered(count, " RECENT\r\n") }

    /// `* 44 EXPUNGE`
    public mutating func expunge(_ sequenceNumber: UInt32) { numbered(sequenceNumber, " EXPUNGE\r\n") }

    private mutating func numbered(_ number: UInt32, _ rest: StaticString) {
        text("* ")
        self.number(number)
        text(rest)
    }
}

extension ResponsePrinter: SyntaxWriter {
    /// A literal of a server never waits (RFC 9051, 4.3).
    mutating func literal(_ octets: ByteBuffer) {
        octet(UInt8(ascii: "{"))
        buffer.writeDecimal(UInt64(octets.readableBytes.magnitude))
        text("}\r\n")
        raw(octets)
    }

    /// Octets as they are: those of a literal whose head has been written.
    public mutating func raw(_ octets: ByteBuffer) { buffer.writeImmutableBuffer(octets) }
}
