/// A string that is looked for with tolerance (RFC 6203, 3), and how well a text matches it.
///
/// The string is cut into words, without regard to case and accents. A word counts by the word of the text that is nearest
/// to it: 100 for the same, 80 for one that begins with it, 60 for one that holds it or that it begins with, 50 and 25 for
/// one and two errors of typing (a letter missing, added, wrong, or exchanged with its neighbour). Words of four letters
/// may have one error, of eight letters two, and never in the first letter. A text matches when half of the words count;
/// its score is their mean, and 100 when it holds the string as it stands. The same text always has the same score.
struct FuzzyQuery: Sendable, Equatable {
    /// Folded; no more and no longer than the limits.
    let words: [[UInt32]]
    let phrase: TextNeedle

    /// Words that are looked at, and letters of each; and letters of a word of the text.
    private static let wordLimit = 16
    private static let letterLimit = 32
    fileprivate static let textLetterLimit = 64

    init(_ text: String) {
        phrase = TextNeedle(text)
        var words: [[UInt32]] = []
        var cutter = WordCutter(letters: Self.letterLimit)
        func keep(_ word: [UInt32]) {
            if words.count < Self.wordLimit, !words.contains(word) { words.append(word) }
        }
        cutter.take(Array(text.utf8), keep)
        cutter.finish(keep)
        self.words = words
    }

    /// What a word of the text counts for a word that is looked for; 0 for nothing.
    static func nearness(_ wanted: [UInt32], _ word: [UInt32]) -> Int {
        if wanted == word { return 100 }
        if wanted.count >= 2, word.starts(with: wanted) { return 80 }
        if wanted.count >= 3, holds(word, wanted) { return 60 }
        if word.count >= 4, wanted.starts(with: word) { return 60 }
        let allowed = wanted.count >= 8 ? 2 : wanted.count >= 4 ? 1 : 0
        guard allowed > 0, wanted.first == word.first, abs(wanted.count - word.count) <= allowed else { return 0 }
        switch distance(wanted, word) {
        case 1: return 50
        case 2 where allowed == 2: return 25
        default: return 0
        }
    }

    private static func holds(_ word: [UInt32], _ wanted: [UInt32]) -> Bool {
        guard wanted.count <= word.count else { return false }
        return (0...word.count - wanted.count).contains { word[$0...].starts(with: wanted) }
    }

    /// The errors of typing between two words (optimal string alignment).
    static func distance(_ first: [UInt32], _ second: [UInt32]) -> Int {
        var before: [Int] = []
        var last = Array(0...second.count)
        for row in 1...max(first.count, 1) where row <= first.count {
            var next = [row] + [Int](repeating: 0, count: second.count)
            for column in 0..<second.count {
                let isSame = first[row - 1] == second[column]
                next[column + 1] = min(last[column] + (isSame ? 0 : 1), last[column + 1] + 1, next[column] + 1)
                if row > 1, column > 0, first[row - 1] == second[column - 1], first[row - 2] == second[column] {
                    next[column + 1] = min(next[column + 1], before[column - 1] + 1)
                }
            }
            before = last
            last = next
        }
        return last[second.count]
    }
}

/// Compares a text that comes in pieces, each of whole characters, with a query.
struct FuzzyScanner: Sendable {
    private let query: FuzzyQuery
    /// What each word counts so far.
    private var best: [Int]
    private var phrase: TextScanner
    private var cutter = WordCutter(letters: FuzzyQuery.textLetterLimit)

    init(_ query: FuzzyQuery) {
        self.query = query
        best = query.words.map { _ in 0 }
        phrase = TextScanner([query.phrase])
    }

    /// Nothing better can come.
    var isComplete: Bool { phrase.isComplete }

    /// From 1 to 100; nil when the text does not match.
    var score: Int? {
        if phrase.isComplete { return 100 }
        guard !best.isEmpty, best.count(where: { $0 > 0 }) * 2 >= best.count else { return nil }
        return max(1, best.reduce(0, +) / best.count)
    }

    mutating func consume(_ piece: [UInt8]) {
        guard !isComplete else { return }
        phrase.consume(piece)
        let words = query.words
        var best = best
        cutter.take(piece) { Self.compare($0, words, &best) }
        self.best = best
    }

    /// No more text belongs to this one; no word and no match goes on in the next.
    mutating func endOfText() {
        phrase.endOfText()
        let words = query.words
        var best = best
        cutter.finish { Self.compare($0, words, &best) }
        self.best = best
    }

    private static func compare(_ word: [UInt32], _ words: [[UInt32]], _ best: inout [Int]) {
        for (index, wanted) in words.enumerated() where best[index] < 100 {
            best[index] = max(best[index], FuzzyQuery.nearness(wanted, word))
        }
    }
}

/// Cuts text into words as it passes: letters and digits, folded, without their accents.
private struct WordCutter: Sendable {
    /// Of a longer word the rest is passed over.
    let letters: Int
    private var word: [UInt32] = []

    init(letters: Int) { self.letters = letters }

    mutating func take(_ utf8: [UInt8], _ found: ([UInt32]) -> Void) {
        for scalar in String(decoding: TextNeedle.folded(utf8), as: UTF8.self).unicodeScalars {
            if (0x300...0x36F).contains(scalar.value) { continue }
            if Self.isPartOfWord(scalar) {
                if word.count < letters { word.append(scalar.value) }
            } else {
                finish(found)
            }
        }
    }

    mutating func finish(_ found: ([UInt32]) -> Void) {
        guard !word.isEmpty else { return }
        found(word)
        word.removeAll(keepingCapacity: true)
    }

    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0..<0x80: false
        default: scalar.properties.isAlphabetic || scalar.properties.numericType != nil
        }
    }
}
