/// Lower case of an ASCII letter; any other octet unchanged.
@inline(__always)
func lowercased(_ octet: UInt8) -> UInt8 { octet &- 0x41 < 26 ? octet | 0x20 : octet }

/// Upper case of an ASCII letter; any other octet unchanged.
@inline(__always)
func uppercased(_ octet: UInt8) -> UInt8 { octet &- 0x61 < 26 ? octet & 0xDF : octet }

/// Whether two texts differ in nothing but the case of ASCII letters.
func equalIgnoringASCIICase(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
}

/// A text with its ASCII letters in upper case.
func uppercasedASCII(_ text: String) -> String {
    String(decoding: text.utf8.map(uppercased), as: UTF8.self)
}

/// The character classes of RFC 9051, 9, one bit each, looked up by octet.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// `ATOM-CHAR`
    static let atom = CharacterClass(rawValue: 1)
    /// `ASTRING-CHAR`: an atom's, or `]`.
    static let astring = CharacterClass(rawValue: 2)
    /// `list-char`: an astring's, or `%`, or `*`.
    static let list = CharacterClass(rawValue: 4)
    /// What a tag is made of: an astring's, but not `+`.
    static let tag = CharacterClass(rawValue: 8)
    /// What may stand in a quoted string unescaped, 7 bits.
    static let quoted = CharacterClass(rawValue: 16)
    /// `TEXT-CHAR`
    static let text = CharacterClass(rawValue: 32)
    /// `tagged-label-char`
    static let label = CharacterClass(rawValue: 64)

    private static let table: [CharacterClass] = (0..<256).map { value in
        guard let octet = UInt8(exactly: value), octet < 0x80, octet != 0 else { return [] }
        var classes: CharacterClass = []
        if octet != 0x0D, octet != 0x0A { classes.insert(.text) }
        if classes.contains(.text), octet != UInt8(ascii: "\""), octet != UInt8(ascii: "\\") { classes.insert(.quoted) }
        let isControl = octet < 0x20 || octet == 0x7F
        if !isControl, !#"(){ %*"\]"#.utf8.contains(octet) {
            classes.formUnion([.atom, .astring, .list, .tag])
            if octet == UInt8(ascii: "+") { classes.remove(.tag) }
        }
        if octet == UInt8(ascii: "]") { classes.formUnion([.astring, .list, .tag]) }
        if octet == UInt8(ascii: "%") || octet == UInt8(ascii: "*") { classes.insert(.list) }
        let isLetter = lowercased(octet) &- 0x61 < 26
        if isLetter || octet &- 0x30 < 10 || "-_.:".utf8.contains(octet) { classes.insert(.label) }
        return classes
    }

    /// The classes that an octet belongs to.
    @inline(__always)
    static func of(_ octet: UInt8) -> CharacterClass { table[Int(octet)] }
}
