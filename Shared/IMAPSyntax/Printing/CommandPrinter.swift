import NIOCore

/// How a client sends literals.
public enum LiteralStyle: Hashable, Sendable {
    /// It waits for a continuation request before the octets of each (RFC 9051, 4.3).
    case synchronizing
    /// It sends them at once: the server has LITERAL+ (RFC 7888).
    case nonSynchronizing
}

/// Writes commands, for clients and tests.
public struct CommandPrinter: Hashable, Sendable {
    /// How mailbox names are written.
    public var encoding: SessionEncoding
    /// How literals are sent.
    public var literals: LiteralStyle

    /// A printer for a session.
    public init(encoding: SessionEncoding = .modifiedUTF7, literals: LiteralStyle = .synchronizing) {
        self.encoding = encoding
        self.literals = literals
    }

    /// The octets of a command in pieces: after each but the last the client waits for a continuation request.
    public func print(_ command: TaggedCommand) -> [ByteBuffer] {
        var writer = CommandWriter(encoding: encoding, literals: literals)
        writer.text(command.tag)
        writer.space()
        writer.text(command.command.name)
        command.command.writeArguments(to: &writer)
        writer.endOfLine()
        return writer.pieces + [writer.buffer]
    }

    /// APPEND or REPLACE up to and with the braces of its message, in pieces as above. The message's octets and `print(after:)`
    /// follow the last piece, after a continuation request when its literal is synchronizing.
    public func print(append command: AppendCommand) -> [ByteBuffer] {
        var writer = CommandWriter(encoding: encoding, literals: literals)
        writer.text(command.tag)
        writer.space()
        command.write(to: &writer)
        return writer.pieces + [writer.buffer]
    }

    /// What follows the octets of APPEND's message: the head of another one (RFC 3502), or the end of the command.
    public func print(after message: AppendMessage, next: AppendMessage? = nil) -> ByteBuffer {
        var writer = CommandWriter(encoding: encoding, literals: literals)
        switch message.content {
        case .literal(_, isUTF8: false): break
        case .literal(_, isUTF8: true), .parts: writer.text(")")
        }
        if let next {
            writer.space()
            next.write(to: &writer)
        } else {
            writer.endOfLine()
        }
        return writer.buffer
    }

    /// A part that CATENATE puts a message together from, in pieces as above (RFC 4469). The octets of a text and what
    /// `print(afterText:)` gives follow the last piece.
    public func print(part: AppendPart, isFirst: Bool) -> [ByteBuffer] {
        var writer = CommandWriter(encoding: encoding, literals: literals)
        if !isFirst { writer.space() }
        part.write(to: &writer)
        return writer.pieces + [writer.buffer]
    }

    /// What follows the octets of a part before another one, or before the end of the message.
    public func print(afterText part: AppendPart) -> ByteBuffer {
        if case .text(_, isUTF8: true) = part { ByteBuffer(staticString: ")") } else { ByteBuffer() }
    }

    /// A line that answers a challenge (RFC 9051, 6.2.2). A malformed one is printed as the client's giving up.
    public static func authenticationLine(_ line: AuthenticationLine) -> ByteBuffer {
        var buffer = ByteBuffer()
        switch line {
        case .response(let octets): Base64.encode(octets, into: &buffer)
        case .cancelled, .malformed: buffer.writeStaticString("*")
        }
        buffer.writeStaticString("\r\n")
        return buffer
    }

    /// The line that ends IDLE (RFC 2177).
    public static var idleEnd: ByteBuffer { ByteBuffer(staticString: "DONE\r\n") }
}

/// Gathers a command's octets, cut where the client waits.
struct CommandWriter: SyntaxWriter {
    var pieces: [ByteBuffer] = []
    var buffer = ByteBuffer()
    let encoding: SessionEncoding
    let literals: LiteralStyle

    init(encoding: SessionEncoding, literals: LiteralStyle) {
        self.encoding = encoding
        self.literals = literals
    }

    mutating func literal(_ octets: ByteBuffer) {
        let isSynchronizing = literals == .synchronizing
        header(LiteralHeader(octets: octets.readableBytes, isSynchronizing: isSynchronizing))
        if isSynchronizing {
            pieces.append(buffer)
            buffer = ByteBuffer()
        }
        var octets = octets
        buffer.writeBuffer(&octets)
    }

    mutating func header(_ header: LiteralHeader) {
        if header.isBinary { octet(UInt8(ascii: "~")) }
        octet(UInt8(ascii: "{"))
        buffer.writeDecimal(UInt64(header.octets.magnitude))
        if !header.isSynchronizing { octet(UInt8(ascii: "+")) }
        text("}\r\n")
    }
}
