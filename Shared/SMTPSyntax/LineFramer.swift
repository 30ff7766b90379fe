import NIOCore

/// Cuts a stream into command lines. Only CRLF ends a line (RFC 5321, 2.3.8); a CR or LF of its own stays in it, for
/// the parser to refuse.
///
/// What was searched is not searched again, so that a line that comes octet by octet costs no more than one that
/// comes at once. A line beyond the limit is thrown away as it comes and reported where it ends.
public struct LineFramer: Sendable {
    /// What the stream holds.
    public enum Outcome: Sendable, Hashable {
        /// A slice without its CRLF.
        case line(ByteBuffer)
        /// No whole line yet.
        case needMore
        /// A line that was longer than the limit has ended; nothing of it is left.
        case tooLong
    }

    private var searched = 0
    private var isDiscarding = false

    /// At the beginning of a line.
    public init() {}

    /// The next line, at most `limit` octets with its CRLF.
    public mutating func next(_ input: inout ByteBuffer, limit: Int) -> Outcome {
        let end = input.withUnsafeReadableBytes { octets in Self.lineEnd(octets, from: searched) }
        guard let end else {
            let count = input.readableBytes
            if isDiscarding || count >= limit {
                isDiscarding = true
                // A CR at the very end may be the first half of CRLF.
                let endsWithCR = input.readableBytesView.last == Octet.carriageReturn
                input.moveReaderIndex(forwardBy: count - (endsWithCR ? 1 : 0))
                searched = 0
            } else {
                searched = max(0, count - 1)
            }
            return .needMore
        }
        searched = 0
        guard !isDiscarding, end + 2 <= limit, let line = input.readSlice(length: end) else {
            isDiscarding = false
            input.moveReaderIndex(forwardBy: end + 2)
            return .tooLong
        }
        input.moveReaderIndex(forwardBy: 2)
        return .line(line)
    }

    /// The buffer was thrown away: the next octet begins a line.
    public mutating func reset() { self = LineFramer() }

    /// The offset of the first CRLF.
    private static func lineEnd(_ octets: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        while let found = octets.firstOffset(of: Octet.lineFeed, from: position, to: octets.count) {
            if found > 0, octets[found - 1] == Octet.carriageReturn { return found - 1 }
            position = found + 1
        }
        return nil
    }
}
