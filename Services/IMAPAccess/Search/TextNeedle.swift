/// A string that SEARCH looks for: a substring by i;unicode-casemap, without regard to case (RFC 9051, 6.4.4; RFC 5255,
/// 4.6). Both sides are folded, and then octets are compared.
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

    /// Whether `haystack`, which is ASCII and not folded, holds the needle.
    func occurs(inASCII haystack: UnsafeBufferPointer<UInt8>) -> Bool {
        octets.isEmpty || place(in: haystack, from: 0, folding: UnicodeCasemap.folded(ascii:)) != nil
    }

    private func occurs(in haystack: UnsafeBufferPointer<UInt8>) -> Bool { place(in: haystack, from: 0) != nil }

    /// Where the needle's last octet stands the first time that it occurs from a position on in `haystack`, which is folded
    /// already. The needle is not empty.
    func place(in haystack: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        place(in: haystack, from: start, folding: { $0 })
    }

    @inline(__always)
    private func place(
        in haystack: UnsafeBufferPointer<UInt8>, from start: Int, folding fold: (UInt8) -> UInt8
    ) -> Int? {
        octets.withUnsafeBufferPointer { needle in
            let last = needle.count - 1
            var position = start + last
            while position < haystack.count {
                let octet = fold(haystack[position])
                if octet == needle[last] {
                    var back = 0
                    while back < last, fold(haystack[position - last + back]) == needle[back] { back += 1 }
                    if back == last { return position }
                }
                position += skips[Int(octet)]
            }
            return nil
        }
    }

    /// Text as it is compared.
    static func folded(_ utf8: [UInt8]) -> [UInt8] { UnicodeCasemap.folded(utf8) }
}

/// Looks for several needles in text that comes in pieces, and may make the text's signature.
struct TextScanner {
    private let needles: [TextNeedle]
    private(set) var found: [Bool]
    /// Nil when none is wanted.
    private(set) var signature: TextSignature?
    /// The end of what was seen, not folded: as long as the longest needle could begin in it, and from a
    /// character's beginning.
    private var tail: [UInt8] = []
    private let keep: Int

    init(_ needles: [TextNeedle], signing: Bool = false) {
        self.needles = needles
        signature = signing ? TextSignature() : nil
        self.found = needles.map(\.octets.isEmpty)
        // Folding makes at least one octet of a character, which has at most four; a match may begin and end within what
        // comes of one.
        self.keep = max((needles.map(\.octets.count).max() ?? 0) * 4 + 8, 16)
    }

    /// Nothing is left to find out.
    var isComplete: Bool { signature == nil && found.allSatisfy { $0 } }

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
        signature?.insert(folded)
        for (index, needle) in needles.enumerated() where !found[index] {
            found[index] = needle.occurs(in: folded)
        }
    }
}
