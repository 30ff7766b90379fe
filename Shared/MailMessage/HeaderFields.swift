#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A walk over the fields of a header block where it lies, without taking it apart (RFC 5322, 2.2; obsolete and broken
/// forms included).
///
/// A line that begins with white space continues the field before it. A line that is no field at all (an mbox `From `
/// line, text without a colon) is a field without a name, so that every octet belongs to exactly one field or
/// to the empty line that ends the block.
public enum HeaderFields {
    /// Gives each field in order until `take` returns false, or the block ends. Returns the empty line that ends it; nil
    /// when it has none or the walk was broken off.
    @discardableResult
    public static func walk(
        _ octets: UnsafeBufferPointer<UInt8>, _ take: (HeaderBlock.Field) -> Bool
    ) -> Range<Int>? {
        var lineStart = 0
        var open: HeaderBlock.Field?
        while lineStart < octets.count {
            let line = lineStart..<endOfLine(octets, from: lineStart)
            if isEmpty(octets, line) {
                if let field = open, !take(field) { return nil }
                return line
            }
            if ASCII.isBlank(octets[lineStart]), var field = open {
                field.value = field.value.lowerBound..<line.upperBound
                field.whole = field.whole.lowerBound..<line.upperBound
                open = field
            } else {
                if let field = open, !take(field) { return nil }
                open = field(octets, line)
            }
            lineStart = line.upperBound
        }
        if let field = open { _ = take(field) }
        return nil
    }

    /// Whether a field has this name, which is in lower case, in any case.
    public static func isNamed(
        _ field: HeaderBlock.Field, _ name: [UInt8], in octets: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        guard field.name.count == name.count else { return false }
        for (position, octet) in name.enumerated()
        where ASCII.lower(octets[field.name.lowerBound + position]) != octet { return false }
        return true
    }

    /// Where the value of a field lies, without white space around it but with its folds.
    public static func trimmedValue(
        of field: HeaderBlock.Field, in octets: UnsafeBufferPointer<UInt8>
    ) -> Range<Int> {
        var (start, end) = (field.value.lowerBound, field.value.upperBound)
        while start < end, ASCII.isBlankOrLineEnd(octets[start]) { start += 1 }
        while end > start, ASCII.isBlankOrLineEnd(octets[end - 1]) { end -= 1 }
        return start..<end
    }

    /// The value of a field, unfolded (RFC 5322, 2.2.3) and without white space around it.
    public static func value(of field: HeaderBlock.Field, in octets: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let range = trimmedValue(of: field, in: octets)
        return [UInt8](unsafeUninitializedCapacity: range.count) { target, count in
            for position in range where octets[position] != ASCII.lf && octets[position] != ASCII.cr {
                target[count] = octets[position]
                count += 1
            }
        }
    }

    private static func isEmpty(_ octets: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
        switch octets[line.lowerBound] {
        case ASCII.lf: true
        case ASCII.cr where line.count == 2: octets[line.lowerBound + 1] == ASCII.lf
        case ASCII.cr: line.count == 1 && line.upperBound == octets.count
        default: false
        }
    }

    private static func endOfLine(_ octets: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        guard let base = octets.baseAddress,
            let found = memchr(base + start, Int32(ASCII.lf), octets.count - start)
        else { return octets.count }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base) + 1
    }

    private static func field(_ octets: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> HeaderBlock.Field {
        var end = line.lowerBound
        while end < line.upperBound, ASCII.isFieldName(octets[end]) { end += 1 }
        var colon = end
        while colon < line.upperBound, ASCII.isBlank(octets[colon]) { colon += 1 }
        guard end > line.lowerBound, colon < line.upperBound, octets[colon] == ASCII.colon else {
            return HeaderBlock.Field(name: line.lowerBound..<line.lowerBound, value: line, whole: line)
        }
        return HeaderBlock.Field(name: line.lowerBound..<end, value: colon + 1..<line.upperBound, whole: line)
    }
}

/// A choice among the fields of a header by their names: IMAP's HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051, 6.4.5.1).
public struct HeaderFieldChoice: Sendable, Hashable {
    /// In lower case.
    private let names: [[UInt8]]
    private let isExcluding: Bool

    /// The fields of these names in any case, or all others.
    public init(names: some Sequence<some Collection<UInt8>>, excluding: Bool) {
        self.names = names.map { $0.map(ASCII.lower) }
        isExcluding = excluding
    }

    /// Where the chosen fields lie, in the block's order, and the empty line that ends the block; what adjoins is one range.
    public func ranges(in header: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        func keep(_ range: Range<Int>) {
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        let emptyLine = HeaderFields.walk(header) { field in
            let isNamed = !field.name.isEmpty && names.contains { HeaderFields.isNamed(field, $0, in: header) }
            if isNamed != isExcluding { keep(field.whole) }
            return true
        }
        if let emptyLine { keep(emptyLine) }
        return ranges
    }
}
