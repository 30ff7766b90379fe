import MailMessage

/// The text of a header field as it is compared: with its encoded-words undone (RFC 5255, 4.6).
struct FieldText: Equatable, Sendable {
    /// UTF-8, or when the text cannot be read, the octets that it is written in.
    let octets: [UInt8]
    /// Whether the text could be read.
    let isReadable: Bool

    init(_ field: [UInt8]) {
        let decoded = Array(EncodedWords.decode(field).utf8)
        // What a charset does not allow comes out as U+FFFD.
        isReadable = !Self.holdsReplacement(decoded)
        octets = isReadable ? decoded : EncodedWords.octets(field)
    }

    /// Text of a field that holds no encoded-words.
    init(plain octets: [UInt8]) {
        self.init(octets: octets, isReadable: String(validating: octets, as: UTF8.self) != nil)
    }

    private init(octets: [UInt8], isReadable: Bool) {
        self.octets = octets
        self.isReadable = isReadable
    }

    /// The same with other octets of the same kind.
    func with(_ octets: [UInt8]) -> FieldText { FieldText(octets: octets, isReadable: isReadable) }

    /// What orders texts when its octets are compared: by i;unicode-casemap, and what cannot be read by its octets
    /// behind everything else. Octets beyond the limit decide nothing, so that nobody's long fields fill the memory.
    var collationKey: [UInt8] {
        if octets.isEmpty { return [] }
        var key: [UInt8] = []
        // No UTF-8 begins with this octet.
        if !isReadable { key.append(0xFF) }
        if isReadable {
            UnicodeCasemap.fold(octets.prefix(Self.keyLimit), into: &key)
        } else {
            key += octets.prefix(Self.keyLimit)
        }
        if key.count > Self.keyLimit { key.removeLast(key.count - Self.keyLimit) }
        return key
    }

    private static let keyLimit = 1024

    private static func holdsReplacement(_ text: [UInt8]) -> Bool {
        guard text.count >= 3 else { return false }
        return text.indices.dropLast(2).contains {
            text[$0] == 0xEF && text[$0 + 1] == 0xBF && text[$0 + 2] == 0xBD
        }
    }
}

/// Keys of many messages in one block of memory.
struct KeyColumn: Sendable {
    private var octets: [UInt8] = []
    private var ends: [Int] = []
    /// The first eight octets of each, big endian: they decide nearly always.
    private var heads: [UInt64] = []

    /// The octets that it occupies.
    var size: Int { octets.count + 16 * ends.count }

    mutating func append(_ key: [UInt8]) {
        var head: UInt64 = 0
        for offset in 0..<8 { head = head << 8 | (offset < key.count ? UInt64(key[offset]) : 0) }
        heads.append(head)
        octets += key
        ends.append(octets.count)
    }

    /// Negative, zero or positive, as the first key is less, equal or greater.
    func compare(_ first: Int, _ second: Int) -> Int {
        if heads[first] != heads[second] { return heads[first] < heads[second] ? -1 : 1 }
        let left = (first == 0 ? 0 : ends[first - 1])..<ends[first]
        let right = (second == 0 ? 0 : ends[second - 1])..<ends[second]
        return octets.withUnsafeBufferPointer { octets in
            var (mine, theirs) = (left.lowerBound + 8, right.lowerBound + 8)
            while mine < left.upperBound, theirs < right.upperBound {
                if octets[mine] != octets[theirs] { return octets[mine] < octets[theirs] ? -1 : 1 }
                mine += 1
                theirs += 1
            }
            return left.count - right.count
        }
    }
}
