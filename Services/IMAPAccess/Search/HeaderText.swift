import MailMessage
import NIOCore

/// The fields of a message as SEARCH sees them: unfolded, RFC 2047 undone, without regard to case.
struct HeaderText: Sendable {
    private let octets: ByteBuffer

    /// The header block as it is stored.
    init(_ octets: ByteBuffer) { self.octets = octets }

    /// The day since 1970 that the Date field names, as its writer saw it; nil when it cannot be read.
    var sentDay: Int? {
        var day: Int?
        walk { header, field in
            guard HeaderFields.isNamed(field, Self.date, in: header) else { return true }
            day = MailDate(parsing: HeaderFields.value(of: field, in: header)).map { Int($0.localDay.daysSince1970) }
            return false
        }
        return day
    }

    private static let date = Array("date".utf8)

    /// Whether a field of this name, in lower case, is there and holds the needle.
    func field(_ name: [UInt8], holds needle: TextNeedle) -> Bool {
        var found = false
        walk { header, field in
            guard HeaderFields.isNamed(field, name, in: header) else { return true }
            let value = UnsafeBufferPointer(rebasing: header[HeaderFields.trimmedValue(of: field, in: header)])
            found =
                Self.decoded(value, of: field, in: header).map { needle.occurs(in: TextNeedle.folded($0)) }
                ?? needle.occurs(inASCII: value)
            return !found
        }
        return found
    }

    /// Gives the fields that have one of these names, in lower case: which it is, and what the field says, folded as it is
    /// compared.
    func texts(of names: [[UInt8]], _ take: (Int, [UInt8]) -> Void) {
        walk { header, field in
            guard let name = names.firstIndex(where: { HeaderFields.isNamed(field, $0, in: header) }) else {
                return true
            }
            let value = UnsafeBufferPointer(rebasing: header[HeaderFields.trimmedValue(of: field, in: header)])
            take(name, TextNeedle.folded(Self.decoded(value, of: field, in: header) ?? Array(value)))
            return true
        }
    }

    /// What a value says; nil when nothing is folded or encoded in it, so that it is text as it stands.
    private static func decoded(
        _ value: UnsafeBufferPointer<UInt8>, of field: HeaderBlock.Field, in header: UnsafeBufferPointer<UInt8>
    ) -> [UInt8]? {
        let isPlain = value.allSatisfy { octet in
            octet < 0x80 && octet != UInt8(ascii: "=") && octet != UInt8(ascii: "\r") && octet != UInt8(ascii: "\n")
        }
        return isPlain ? nil : Array(EncodedWords.decode(HeaderFields.value(of: field, in: header)).utf8)
    }

    /// All fields as text, for TEXT.
    var lines: [[UInt8]] {
        var lines: [[UInt8]] = []
        walk { header, field in
            let text = EncodedWords.decode(HeaderFields.value(of: field, in: header))
            lines.append(Array(header[field.name]) + Array(": ".utf8) + Array(text.utf8))
            return true
        }
        return lines
    }

    private func walk(_ take: (UnsafeBufferPointer<UInt8>, HeaderBlock.Field) -> Bool) {
        octets.withUnsafeReadableBytes { octets in
            octets.withMemoryRebound(to: UInt8.self) { header in
                _ = HeaderFields.walk(header) { take(header, $0) }
            }
        }
    }
}
