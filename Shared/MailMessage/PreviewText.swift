/// The beginning of a text as a list of messages shows it (RFC 8970, 3.3): one line without control characters, white
/// space as single spaces, and no more characters than the RFC wants.
public struct PreviewText: Sendable {
    /// Characters of Unicode in a preview at most (RFC 8970, 3.3 wants 200 and allows 256).
    public static let limit = 200

    private var scalars = String.UnicodeScalarView()
    private var count = 0
    private var owesSpace = false

    /// Nothing of the text has come.
    public init() {}

    /// Whether more text would change nothing.
    public var isComplete: Bool { count > Self.limit }

    /// Takes the next piece of the text in UTF-8. A piece ends where a character ends.
    public mutating func append(_ piece: [UInt8]) {
        guard !isComplete else { return }
        for scalar in String(decoding: piece, as: UTF8.self).unicodeScalars {
            append(scalar)
            if isComplete { return }
        }
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        switch Self.meaning(of: scalar) {
        case .space: owesSpace = count > 0
        case .nothing: break
        // Between letters a joiner says how they look; among spaces it fills a line that nobody is to see.
        case .joiner where owesSpace || count == 0: break
        case .joiner, .visible:
            if owesSpace {
                scalars.append(" ")
                count += 1
                owesSpace = false
            }
            scalars.append(scalar)
            count += 1
        }
    }

    /// The preview: never longer than the limit, and where it can be helped not cut within what a reader takes for one
    /// character.
    public var text: String {
        let whole = String(scalars)
        guard count > Self.limit else { return whole }
        var shortened = ""
        var length = 0
        for character in whole {
            length += character.unicodeScalars.count
            if length > Self.limit { break }
            shortened.append(character)
        }
        if shortened.isEmpty { return String(String.UnicodeScalarView(scalars.prefix(Self.limit))) }
        if shortened.last == " " { shortened.removeLast() }
        return shortened
    }

    private enum Meaning {
        case visible
        case space
        case joiner
        case nothing
    }

    private static func meaning(of scalar: Unicode.Scalar) -> Meaning {
        switch scalar.value {
        case 0x21...0x7E: return .visible
        case 0...0x20, 0x7F...0xA0, 0x2028, 0x2029: return .space
        // Soft hyphen, grapheme joiner, and those of no width; marks and overrides of direction, which would turn what
        // stands behind the preview, too.
        case 0xAD, 0x34F, 0x61C, 0x200B, 0x200E, 0x200F, 0x202A...0x202E, 0x2060...0x2069, 0xFEFF: return .nothing
        case 0x200C, 0x200D: return .joiner
        case _: return scalar.properties.isWhitespace ? .space : .visible
        }
    }
}
