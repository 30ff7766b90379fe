/// Decodes quoted-printable as it passes (RFC 2045, 6.7). White space at the end of a line is dropped; an `=` that
/// begins nothing known stays as it is.
public struct QuotedPrintableDecoder: Sendable, Hashable {
    /// What a line break or the next octet decides about: blanks, or the beginning of an escape.
    private var pending: [UInt8] = []

    /// A decoder at the beginning of a body.
    public init() {}

    /// Decodes the next octets.
    public mutating func decode(_ input: some Sequence<UInt8>, into output: inout [UInt8]) {
        if input.withContiguousStorageIfAvailable({ decode($0, into: &output) }) == nil {
            Array(input).withUnsafeBufferPointer { decode($0, into: &output) }
        }
    }

    private mutating func decode(_ input: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + input.count)
        var position = 0
        while position < input.count {
            if pending.isEmpty {
                let end = Self.endOfPlainText(input, from: position)
                output.append(contentsOf: input[position..<end])
                position = end
                if position == input.count { break }
            }
            take(input[position], into: &output)
            position += 1
        }
    }

    /// Where text ends that stands for itself: everything but escapes, line ends, and blanks that a line end may follow.
    private static func endOfPlainText(_ input: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        while position < input.count {
            let octet = input[position]
            if octet == ASCII.equals || octet == ASCII.cr { break }
            if ASCII.isBlank(octet) {
                guard position + 1 < input.count else { break }
                let next = input[position + 1]
                if next == ASCII.equals || ASCII.isBlankOrLineEnd(next) { break }
            }
            position += 1
        }
        return position
    }

    /// The body has ended.
    public mutating func finish(into output: inout [UInt8]) {
        // A soft line break at the very end, or blanks that nothing follows.
        if pending.first == ASCII.equals, pending.count > 1, !ASCII.isBlankOrLineEnd(pending[1]) { output += pending }
        if pending == [ASCII.cr] { output.append(ASCII.cr) }
        pending.removeAll(keepingCapacity: true)
    }

    /// `pending` is one of: nothing; `=`; `=` hex; `=` blanks; `=` blanks CR; blanks; blanks CR; CR.
    private mutating func take(_ octet: UInt8, into output: inout [UInt8]) {
        guard let first = pending.first else {
            pending.append(octet)
            return
        }
        let last = pending[pending.count - 1]
        if first == ASCII.equals {
            if octet == ASCII.lf, pending.count == 1 || ASCII.isBlankOrLineEnd(last) {
                // A soft line break, with the blanks that transport may have added.
                pending.removeAll(keepingCapacity: true)
            } else if ASCII.isBlank(octet) || octet == ASCII.cr, pending.count == 1 || ASCII.isBlank(last),
                pending.count < Self.blankLimit
            {
                pending.append(octet)
            } else if pending.count == 1, ASCII.hexValue(octet) != nil {
                pending.append(octet)
            } else if pending.count == 2, let high = ASCII.hexValue(last), let low = ASCII.hexValue(octet) {
                output.append(high << 4 | low)
                pending.removeAll(keepingCapacity: true)
            } else {
                surrender(to: octet, into: &output)
            }
        } else if octet == ASCII.lf {
            output += last == ASCII.cr ? [ASCII.cr, ASCII.lf] : [ASCII.lf]
            pending.removeAll(keepingCapacity: true)
        } else if ASCII.isBlank(octet) || octet == ASCII.cr, last != ASCII.cr, pending.count < Self.blankLimit {
            pending.append(octet)
        } else {
            surrender(to: octet, into: &output)
        }
    }

    /// What is pending was text after all.
    private mutating func surrender(to octet: UInt8, into output: inout [UInt8]) {
        output += pending
        pending.removeAll(keepingCapacity: true)
        if octet == ASCII.equals || ASCII.isBlank(octet) || octet == ASCII.cr {
            pending.append(octet)
        } else {
            output.append(octet)
        }
    }

    private static let blankLimit = 1024
}
