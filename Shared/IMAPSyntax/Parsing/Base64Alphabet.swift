/// The 64 characters of a kind of base64, each for six bits.
struct Base64Alphabet: Sendable {
    private let characters: [UInt8]
    /// By octet; 0xFF for those that are no characters of it.
    private let values: [UInt8]

    /// The one that ends in `+` and this character.
    init(last: Unicode.Scalar) {
        let characters =
            Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+".utf8) + [UInt8(ascii: last)]
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, octet) in characters.enumerated() { values[Int(octet)] = UInt8(truncatingIfNeeded: value) }
        self.characters = characters
        self.values = values
    }

    /// The character for the last six bits of a number.
    func character(_ bits: UInt32) -> UInt8 { characters[Int(bits & 0x3F)] }

    /// The six bits that an octet stands for; nil when it is no character of it.
    func value(of octet: UInt8) -> UInt32? {
        let value = values[Int(octet)]
        return value == 0xFF ? nil : UInt32(value)
    }
}
