#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A header block cut into fields (RFC 5322, 2.2; obsolete and broken forms included). Octets stay as they are.
///
/// A line that begins with white space continues the field before it. A line that is no field at all (an mbox `From `
/// line, text without a colon) is kept as a field without a name, so that every octet belongs to exactly one field or
/// to the empty line that ends the block.
public struct HeaderBlock: Sendable, Hashable {
    /// One field, as positions in ``HeaderBlock/octets``.
    public struct Field: Sendable, Hashable {
        /// The name, without white space before the colon; empty for a line that is no field.
        public var name: Range<Int>
        /// What follows the colon, folds and the last line end included.
        public var value: Range<Int>
        /// The whole field with its last line end.
        public var whole: Range<Int>
    }

    /// The block as it came.
    public let octets: [UInt8]
    /// Its fields in order.
    public private(set) var fields: [Field] = []
    /// The empty line that ends the block; empty when the block has none.
    public private(set) var emptyLine: Range<Int>

    /// Cuts `octets`; stops at the first empty line. Fields beyond `fieldLimit` are not listed.
    public init(_ octets: [UInt8], fieldLimit: Int = .max) {
        self.octets = octets
        emptyLine = octets.count..<octets.count
        fields.reserveCapacity(min(octets.count / 48 + 1, 64))
        var lineStart = 0
        var open: Field?
        while lineStart < octets.count {
            let lineEnd = Self.endOfLine(octets, from: lineStart)
            let first = octets[lineStart]
            if first == ASCII.lf || (first == ASCII.cr && lineEnd == lineStart + 2 && octets[lineStart + 1] == ASCII.lf)
                || (first == ASCII.cr && lineEnd == octets.count && lineEnd == lineStart + 1)
            {
                emptyLine = lineStart..<lineEnd
                break
            }
            if (first == ASCII.space || first == ASCII.tab), var field = open {
                field.value = field.value.lowerBound..<lineEnd
                field.whole = field.whole.lowerBound..<lineEnd
                open = field
            } else {
                if let field = open { fields.append(field) }
                open = nil
                if fields.count >= fieldLimit { break }
                open = Self.field(octets, line: lineStart..<lineEnd)
            }
            lineStart = lineEnd
        }
        if let field = open { fields.append(field) }
    }

    /// The value of a field, unfolded (RFC 5322, 2.2.3) and without white space around it.
    public func value(of field: Field) -> [UInt8] {
        octets.withUnsafeBufferPointer { all in
            var start = field.value.lowerBound
            var end = field.value.upperBound
            while start < end, ASCII.isBlankOrLineEnd(all[start]) { start += 1 }
            while end > start, ASCII.isBlankOrLineEnd(all[end - 1]) { end -= 1 }
            return [UInt8](unsafeUninitializedCapacity: end - start) { target, count in
                for position in start..<end where all[position] != ASCII.lf && all[position] != ASCII.cr {
                    target[count] = all[position]
                    count += 1
                }
            }
        }
    }

    /// The name of a field as it stands.
    public func name(of field: Field) -> ArraySlice<UInt8> { octets[field.name] }

    /// Whether a field has this name, in any case.
    public func isNamed(_ field: Field, _ name: some Collection<UInt8>) -> Bool {
        ASCII.equalIgnoringCase(octets[field.name], name)
    }

    /// The fields of this name, in any case.
    public func fields(named name: String) -> [Field] {
        fields.filter { isNamed($0, name.utf8) }
    }

    /// The unfolded value of the first field of this name.
    public func firstValue(named name: String) -> [UInt8]? {
        fields.first { isNamed($0, name.utf8) }.map { value(of: $0) }
    }

    /// The octets of the fields whose name is among `names` (`excluding: false`, IMAP's HEADER.FIELDS) or is not
    /// (`excluding: true`, HEADER.FIELDS.NOT), in the block's order, and the block's empty line (RFC 9051, 6.4.5.1).
    public func extract(names: [[UInt8]], excluding: Bool) -> [UInt8] {
        var result: [UInt8] = []
        for field in fields {
            let named = !field.name.isEmpty && names.contains { isNamed(field, $0) }
            if named != excluding { result += octets[field.whole] }
        }
        result += octets[emptyLine]
        return result
    }

    private static func endOfLine(_ octets: [UInt8], from start: Int) -> Int {
        octets.withUnsafeBytes { all in
            guard let base = all.baseAddress, let found = memchr(base + start, Int32(ASCII.lf), all.count - start)
            else {
                return all.count
            }
            return UnsafeRawPointer(found) - base + 1
        }
    }

    private static func field(_ octets: [UInt8], line: Range<Int>) -> Field {
        var end = line.lowerBound
        while end < line.upperBound, ASCII.isFieldName(octets[end]) { end += 1 }
        var colon = end
        while colon < line.upperBound, octets[colon] == ASCII.space || octets[colon] == ASCII.tab { colon += 1 }
        guard end > line.lowerBound, colon < line.upperBound, octets[colon] == ASCII.colon else {
            return Field(name: line.lowerBound..<line.lowerBound, value: line, whole: line)
        }
        return Field(name: line.lowerBound..<end, value: colon + 1..<line.upperBound, whole: line)
    }
}

/// The fields that indexing a message looks at.
enum KnownField {
    case date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageID, received
    case contentType, contentTransferEncoding, contentID, contentDescription, contentDisposition, contentLanguage
    case contentLocation, contentMD5
}

extension HeaderBlock {
    /// Which of the known fields this is. The length decides first: most fields of a message are none of these.
    func knownName(of field: Field) -> KnownField? {
        func named(_ name: StaticString) -> Bool { ASCII.equalIgnoringCase(octets, field.name, name) }
        switch field.name.count {
        case 2: return named("to") ? .to : named("cc") ? .cc : nil
        case 3: return named("bcc") ? .bcc : nil
        case 4: return named("from") ? .from : named("date") ? .date : nil
        case 6: return named("sender") ? .sender : nil
        case 7: return named("subject") ? .subject : nil
        case 8: return named("reply-to") ? .replyTo : named("received") ? .received : nil
        case 10: return named("message-id") ? .messageID : named("content-id") ? .contentID : nil
        case 11: return named("in-reply-to") ? .inReplyTo : named("content-md5") ? .contentMD5 : nil
        case 12: return named("content-type") ? .contentType : nil
        case 16:
            return named("content-language") ? .contentLanguage : named("content-location") ? .contentLocation : nil
        case 19:
            return named("content-disposition")
                ? .contentDisposition : named("content-description") ? .contentDescription : nil
        case 25: return named("content-transfer-encoding") ? .contentTransferEncoding : nil
        case _: return nil
        }
    }
}
