import NIOCore

/// Octets that have come and are not used up, searched for line ends once each, however they were split.
/// Offsets count from the first octet that is not used up.
struct LineScanner: Sendable {
    private(set) var buffer = ByteBuffer()
    /// Octets that hold no line end, or whose line ends have been dealt with.
    private var searched = 0

    /// Octets that are not used up.
    var count: Int { buffer.readableBytes }

    mutating func feed(_ octets: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = octets
            searched = 0
        } else {
            // At most the half command that is left is moved, once for each whole one before it.
            if buffer.readerIndex > 0 { buffer.discardReadBytes() }
            var octets = octets
            buffer.writeBuffer(&octets)
        }
    }

    /// The offset after the next LF at or behind what has been searched.
    mutating func lineEnd() -> Int? {
        let found = buffer.withUnsafeReadableBytes { octets in
            octets[min(searched, octets.count)...].firstIndex(of: 0x0A).map { $0 - octets.startIndex }
        }
        guard let found else {
            searched = buffer.readableBytes
            return nil
        }
        searched = found + 1
        return searched
    }

    /// Leaves octets out of the search: those of a literal.
    mutating func search(from offset: Int) { searched = offset }

    func octet(at offset: Int) -> UInt8? { buffer.getInteger(at: buffer.readerIndex + offset) }

    /// The first octets as a slice.
    func prefix(_ count: Int) -> ByteBuffer {
        buffer.getSlice(at: buffer.readerIndex, length: min(count, buffer.readableBytes)) ?? ByteBuffer()
    }

    /// Uses up the first octets.
    mutating func consume(_ count: Int) {
        let count = min(count, buffer.readableBytes)
        buffer.moveReaderIndex(forwardBy: count)
        searched = max(0, searched - count)
        // A session that idles keeps no room for what it once said.
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
    }

    /// Uses up and returns the first octets.
    mutating func take(_ count: Int) -> ByteBuffer {
        let octets = prefix(count)
        consume(count)
        return octets
    }

    mutating func clear() {
        buffer = ByteBuffer()
        searched = 0
    }

    /// The braces at the end of a line, the last thing before its line end.
    struct LiteralTail {
        /// `octets` is `Int.max` when the number is greater.
        var header: LiteralHeader
        /// LF alone ends no line, but what a client announces before it must be skipped all the same.
        var endsWithCRLF: Bool
    }

    /// The braces that end the line `start ..< end`, where `end` is after LF. Looks at the last 32 octets only: the
    /// longest braces are `~{9223372036854775807+}`.
    func literalTail(from start: Int, to end: Int) -> LiteralTail? {
        buffer.withUnsafeReadableBytes { octets in
            var index = end - 1
            let limit = max(start, end - 32)
            func previous() -> UInt8? {
                guard index > limit else { return nil }
                index -= 1
                return octets[index]
            }
            var octet = previous()
            let endsWithCRLF = octet == 0x0D
            if endsWithCRLF { octet = previous() }
            guard octet == UInt8(ascii: "}") else { return nil }
            octet = previous()
            let isSynchronizing = octet != UInt8(ascii: "+")
            if !isSynchronizing { octet = previous() }
            var value = 0
            var scale = 1
            var digits = 0
            while let character = octet, character &- 0x30 < 10 {
                let digit = Int(character &- 0x30)
                let (product, overflow) = scale.multipliedReportingOverflow(by: digit)
                let (sum, carry) = value.addingReportingOverflow(product)
                // A scale of 0 is one beyond Int: zeros in front of the number do no harm there, other digits do.
                value = overflow || carry || value == .max || (scale == 0 && digit > 0) ? .max : sum
                let next = scale.multipliedReportingOverflow(by: 10)
                scale = next.overflow ? 0 : next.partialValue
                digits += 1
                octet = previous()
            }
            guard digits > 0, octet == UInt8(ascii: "{") else { return nil }
            let isBinary = previous() == UInt8(ascii: "~")
            return LiteralTail(
                header: LiteralHeader(octets: value, isSynchronizing: isSynchronizing, isBinary: isBinary),
                endsWithCRLF: endsWithCRLF)
        }
    }
}
