import NIOCore

/// Writes what follows DATA: a dot before each line that begins with one, and the end (RFC 5321, 4.5.2).
public struct DataEncoder: Sendable {
    private var isAtLineStart = true
    private var isBehindCR = false

    /// At the beginning of the text.
    public init() {}

    /// Appends the next octets of the message.
    public mutating func encode(_ content: ByteBuffer, to output: inout ByteBuffer) {
        content.withUnsafeReadableBytes { octets in
            var start = 0
            var index = 0
            while index < octets.count {
                if isAtLineStart {
                    if octets[index] == Octet.dot {
                        output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[start..<index]))
                        output.writeInteger(Octet.dot)
                        start = index
                    }
                    isAtLineStart = false
                }
                if isBehindCR && octets[index] == Octet.lineFeed {
                    isBehindCR = false
                    isAtLineStart = true
                    index += 1
                    continue
                }
                isBehindCR = false
                let end = octets.firstOffset(of: Octet.carriageReturn, from: index, to: octets.count) ?? octets.count
                index = end
                if index < octets.count {
                    isBehindCR = true
                    index += 1
                }
            }
            output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[start..<octets.count]))
        }
    }

    /// Ends the last line if it has no end, and the text.
    public mutating func finish(_ output: inout ByteBuffer) {
        if !isAtLineStart { output.writeStaticString("\r\n") }
        output.writeStaticString(".\r\n")
        self = DataEncoder()
    }
}
