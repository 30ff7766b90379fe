/// A string that SEARCH looks for: an exact substring, without regard to case (RFC 9051, 6.4.4).
///
/// Case is folded by Unicode's lower case mapping on both sides; what is not ASCII-only takes the way
/// through String, all else compares octets.
struct TextNeedle: Sendable, Equatable {
    /// Folded, UTF-8.
    let octets: [UInt8]
    /// For each octet, how far the search may move on when it stands at the needle's last place.
    private let skips: [Int]

    init(_ text: String) {
        let octets = Self.folded(Array(text.utf8))
        self.octets = octets
        var skips = [Int](repeating: max(octets.count, 1), count: 256)
        for (position, octet) in octets.dropLast().enumerated() { skips[Int(octet)] = octets.count - 1 - position }
        self.skips = skips
    }

    /// Whether `haystack`, which is folded already, holds the needle.
    func occurs(in haystack: some Collection<UInt8>) -> Bool {
        if octets.isEmpty { return true }
        return haystack.withContiguousStorageIfAvailable { occurs(in: $0) } ?? occurs(in: Array(haystack))
    }

    private func occurs(in haystack: UnsafeBufferPointer<UInt8>) -> Bool {
        octets.withUnsafeBufferPointer { needle in
            let last = needle.count - 1
            var position = last
            while position < haystack.count {
                let octet = haystack[position]
                if octet == needle[last] {
                    var back = 0
                    while back < last, haystack[position - last + back] == needle[back] { back += 1 }
                    if back == last { return true }
                }
                position += skips[Int(octet)]
            }
            return false
        }
    }

    /// Text as it is compared: lower case, UTF-8.
    static func folded(_ utf8: [UInt8]) -> [UInt8] {
        var ascii = true
        var folded = utf8
        for index in folded.indices {
            let octet = folded[index]
            if octet >= 0x80 {
                ascii = false
                break
            }
            if octet >= 0x41, octet <= 0x5A { folded[index] = octet | 0x20 }
        }
        return ascii ? folded : Array(String(decoding: utf8, as: UTF8.self).lowercased().utf8)
    }
}

/// Looks for several needles in text that comes in pieces.
struct TextScanner {
    private let needles: [TextNeedle]
    private(set) var found: [Bool]
    /// The end of what was seen, not folded: as long as the longest needle could begin in it, and from a
    /// character's beginning.
    private var tail: [UInt8] = []
    private let keep: Int

    init(_ needles: [TextNeedle]) {
        self.needles = needles
        self.found = needles.map(\.octets.isEmpty)
        // Folding may change how many octets a character has; the reserve covers every mapping there is.
        self.keep = (needles.map(\.octets.count).max() ?? 0) * 3 + 8
    }

    /// Nothing is left to find.
    var isComplete: Bool { found.allSatisfy { $0 } }

    /// The next piece, UTF-8.
    mutating func consume(_ piece: some Collection<UInt8>) {
        guard !isComplete else { return }
        tail.append(contentsOf: piece)
        guard tail.count > keep * 4 + 8192 else { return }
        // The piece ends where a character ends; what is incomplete waits for its rest.
        var end = tail.count
        while end > 0, tail.count - end < 4, tail[end - 1] & 0xC0 == 0x80 { end -= 1 }
        if end > 0, tail[end - 1] >= 0xC0 { end -= 1 } else { end = tail.count }
        search(Array(tail[..<end]))
        var start = max(0, end - keep)
        while start < end, tail[start] & 0xC0 == 0x80 { start += 1 }
        tail.removeFirst(start)
    }

    /// No more text belongs to this one; what follows is another, and no match spans the two.
    mutating func endOfText() {
        search(tail)
        tail.removeAll(keepingCapacity: true)
    }

    private mutating func search(_ text: [UInt8]) {
        guard !isComplete, !text.isEmpty else { return }
        let folded = TextNeedle.folded(text)
        for (index, needle) in needles.enumerated() where !found[index] {
            found[index] = needle.occurs(in: folded)
        }
    }
}
