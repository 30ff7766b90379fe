import NIOCore

/// An enhanced status code (RFC 3463, 2): class, subject, detail.
public struct EnhancedStatus: Sendable, Hashable {
    /// 2, 4 or 5.
    public var statusClass: UInt8
    /// What it is about.
    public var subject: UInt16
    /// In particular.
    public var detail: UInt16

    /// From its three numbers.
    public init(_ statusClass: UInt8, _ subject: UInt16, _ detail: UInt16) {
        self.statusClass = statusClass
        self.subject = subject
        self.detail = detail
    }

    /// Parses `5.1.1`; nil when it is none.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: Octet.dot, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var numbers: [UInt16] = []
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy(\.isDigit) else { return nil }
            numbers.append(part.reduce(0) { $0 &* 10 &+ UInt16($1 &- 0x30) })
        }
        guard numbers[0] == 2 || numbers[0] == 4 || numbers[0] == 5 else { return nil }
        self.init(UInt8(numbers[0]), numbers[1], numbers[2])
    }
}

extension EnhancedStatus: CustomStringConvertible {
    /// `5.1.1`.
    public var description: String { "\(statusClass).\(subject).\(detail)" }
}

/// A reply (RFC 5321, 4.2), of one line or several, with an enhanced code (RFC 2034) where it has one.
public struct Reply: Sendable, Hashable {
    /// Three digits.
    public var code: UInt16
    /// Stands at the beginning of each line.
    public var enhanced: EnhancedStatus?
    /// At least one; without CRLF.
    public var lines: [String]

    /// A reply of several lines.
    public init(code: UInt16, enhanced: EnhancedStatus? = nil, lines: [String]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines.isEmpty ? [""] : lines
    }

    /// A reply of one line; an enhanced code that is none is left out.
    public init(_ code: UInt16, _ enhanced: String, _ text: String) {
        self.init(code: code, enhanced: EnhancedStatus(enhanced), lines: [text])
    }

    /// 2xx.
    public var isPositive: Bool { code / 100 == 2 }
    /// 3xx: the server waits for more.
    public var isIntermediate: Bool { code / 100 == 3 }
    /// 4xx: try again.
    public var isTransient: Bool { code / 100 == 4 }
    /// 5xx: do not.
    public var isPermanent: Bool { code / 100 == 5 }

    /// Prints all lines with their CRLF.
    public func write(to buffer: inout ByteBuffer) {
        for (position, line) in lines.enumerated() {
            buffer.writeReplyCode(code)
            buffer.writeInteger(position == lines.count - 1 ? Octet.space : Octet.hyphen)
            if let enhanced {
                buffer.writeString(enhanced.description)
                buffer.writeInteger(Octet.space)
            }
            buffer.writeLineText(line)
            buffer.writeStaticString("\r\n")
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeReplyCode(_ code: UInt16) {
        writeInteger(0x30 &+ UInt8(truncatingIfNeeded: code / 100 % 10))
        writeInteger(0x30 &+ UInt8(truncatingIfNeeded: code / 10 % 10))
        writeInteger(0x30 &+ UInt8(truncatingIfNeeded: code % 10))
    }

    /// A text from elsewhere must not end the line: what could, becomes a blank.
    fileprivate mutating func writeLineText(_ text: String) {
        if text.utf8.contains(where: \.isControl) {
            writeBytes(text.utf8.map { $0.isControl ? Octet.space : $0 })
        } else {
            writeString(text)
        }
    }
}
