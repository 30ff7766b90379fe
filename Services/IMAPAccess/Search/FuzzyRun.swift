import Contracts
import IMAPSyntax
import MailMessage
import NIOCore

/// A search with FUZZY over one state of a mailbox (RFC 6203). Strings within FUZZY are looked for with tolerance
/// (`FuzzyQuery`), everything else exactly, and so is all that NOT is said of.
///
/// The keys that are exact come first, so that only what they leave is read. A message's relevancy is the mean over keys
/// that must all match and the better of two of which one must; TEXT counts nine tenths in fields other than Subject and
/// eight tenths in the body. What only exact keys decide has 100.
struct FuzzyRun: Sendable {
    let search: MailboxSearch

    /// Octets of a message's text parts that are looked at.
    private static var textOctets: Int { 256 * 1024 }

    @concurrent
    func hits() async throws -> SearchHits {
        // Refuses what an exact search would refuse.
        _ = try SearchProgram(charset: search.charset, keys: search.keys, search.mailbox)
        let outline = FuzzyOutline(search.keys, charset: search.charset)
        var exact: [Set<Int>] = []
        for keys in outline.exact {
            let program = try SearchProgram(charset: search.charset, keys: keys, search.mailbox)
            let run = SearchRun(
                program: program, columns: search.columns, reader: search.reader, memory: search.memory)
            exact.append(Set(try await run.matches()))
        }
        let candidates = (0..<search.columns.count).filter { outline.isCandidate($0, exact) }
        let scores = try await scores(of: candidates, outline.leaves)
        var hits = SearchHits(indices: [])
        for index in candidates {
            // Without scores the message is gone.
            guard let scores = scores[index], let verdict = outline.verdict(index, exact, scores) else { continue }
            hits.indices.append(index)
            hits.relevancy[index] = UInt32(clamping: min(max(verdict.score ?? 100, 1), 100))
        }
        return hits
    }

    /// What the leaves count in each message.
    private func scores(of candidates: [Int], _ leaves: [FuzzyLeaf]) async throws -> [Int: [Int?]] {
        var scores: [Int: [Int?]] = [:]
        let columns = search.columns
        let readsBody = leaves.contains(where: \.readsBody)
        try await search.reader.messages(
            uids: candidates.map { columns.uids[$0] }, inPassing: readsBody,
            {
                $0.header = true
                $0.mimeIndex = readsBody
                $0.wholeOctets = readsBody ? Int64(Self.textOctets) : 0
            },
            { message in
                guard let index = columns.index(of: message.uid) else { return }
                let header = HeaderBlock(message.header.map { Array($0.readableBytesView) } ?? [])
                var found = leaves.map { $0.score(header) }
                if readsBody, let stored = try? StoredMessage(message) {
                    guard let inBody = try await scan(stored, message, leaves) else { return }
                    found = zip(leaves, zip(found, inBody)).map { $0.combined(inHeader: $1.0, inBody: $1.1) }
                }
                scores[index] = found
            })
        return scores
    }

    /// What the leaves count in a message's text; nil when the message is gone.
    private func scan(
        _ stored: StoredMessage, _ message: FetchedMessage, _ leaves: [FuzzyLeaf]
    ) async throws -> [Int?]? {
        var scanners = leaves.map { $0.readsBody ? FuzzyScanner($0.query) : nil }
        var left = Self.textOctets
        for (part, body) in stored.parts where part.structure == .leaf && part.isText && left > 0 {
            guard var decoder = TransferDecoder(part.encoding), !body.isEmpty else { continue }
            let range = body.lowerBound..<min(body.upperBound, body.lowerBound + left)
            left -= range.count
            guard let octets = try await search.reader.octets(range, of: message) else { return nil }
            var decoded: [UInt8] = []
            decoder.decode(octets.readableBytesView, into: &decoded)
            decoder.finish(into: &decoded)
            let text = VisibleText(of: part)
            var visible: [UInt8] = []
            text.decode(decoded) { visible += $0 }
            text.finish { visible += $0 }
            for position in scanners.indices {
                scanners[position]?.consume(visible)
                scanners[position]?.endOfText()
            }
        }
        return scanners.map { $0?.score }
    }
}

/// A string that is looked for with tolerance.
struct FuzzyLeaf: Sendable {
    enum Place: Sendable, Equatable {
        /// Fields of this name.
        case field(String)
        case body
        /// All fields, and the body.
        case text
    }

    let place: Place
    let query: FuzzyQuery

    var readsBody: Bool { place == .body || place == .text }

    /// What it counts in the header; nil when it does not match there, or is not looked for.
    func score(_ header: HeaderBlock) -> Int? {
        switch place {
        case .body: return nil
        case .field(let name): return header.fields(named: name).compactMap { score(header, $0) }.max()
        case .text:
            return header.fields.compactMap { field in
                let isSubject = header.name(of: field).elementsEqual("subject".utf8) { $0 | 0x20 == $1 }
                return score(header, field).map { isSubject ? $0 : $0 * 9 / 10 }
            }.max()
        }
    }

    private func score(_ header: HeaderBlock, _ field: HeaderBlock.Field) -> Int? {
        var scanner = FuzzyScanner(query)
        scanner.consume(Array(EncodedWords.decode(header.value(of: field)).utf8))
        scanner.endOfText()
        return scanner.score
    }

    func combined(inHeader: Int?, inBody: Int?) -> Int? {
        switch place {
        case .field: return inHeader
        case .body: return inBody
        case .text:
            let inBody = inBody.map { $0 * 8 / 10 }
            guard let inHeader, let inBody else { return inHeader ?? inBody }
            return max(inHeader, inBody)
        }
    }
}

/// Search keys taken apart: what is exact, and what is looked for with tolerance.
struct FuzzyOutline: Sendable {
    private indirect enum Node: Sendable {
        case exact(Int)
        case leaf(Int)
        case all([Node])
        case any(Node, Node)
    }

    /// Whether a message matches is whether there is one; no score when only exact keys decided.
    struct Verdict: Equatable {
        var score: Int?
    }

    private var root = Node.all([])
    /// Keys of which each list is a search of its own.
    private(set) var exact: [[SearchKey]] = []
    private(set) var leaves: [FuzzyLeaf] = []

    /// The charset is one that a search with these keys allows.
    init(_ keys: [SearchKey], charset: String?) {
        root = all(keys, isFuzzy: false, charset)
    }

    private mutating func all(_ keys: [SearchKey], isFuzzy: Bool, _ charset: String?) -> Node {
        var nodes: [Node] = []
        var exact: [SearchKey] = []
        for key in keys {
            let node = node(key, isFuzzy: isFuzzy, charset)
            if let node { nodes.append(node) } else { exact.append(key) }
        }
        if !exact.isEmpty {
            self.exact.append(exact)
            // First, so that the rest is looked at only where it holds.
            nodes.insert(.exact(self.exact.count - 1), at: 0)
        }
        return .all(nodes)
    }

    /// Nil for a key that is exact.
    private mutating func node(_ key: SearchKey, isFuzzy: Bool, _ charset: String?) -> Node? {
        switch key {
        case .fuzzy(let inner): return node(inner, isFuzzy: true, charset)
        case .and(let keys) where isFuzzy || keys.nameFuzzy: return all(keys, isFuzzy: isFuzzy, charset)
        case .or(let first, let second) where isFuzzy || [first, second].nameFuzzy:
            let left = all([first], isFuzzy: isFuzzy, charset)
            return .any(left, all([second], isFuzzy: isFuzzy, charset))
        case .field(let field, let octets) where isFuzzy:
            return leaf(.field(field.rawValue.lowercased()), octets.readableBytesView, charset)
        case .header(let name, let octets) where isFuzzy && octets.readableBytes > 0:
            return leaf(.field(name.lowercased()), octets.readableBytesView, charset)
        case .body(let octets) where isFuzzy: return leaf(.body, octets.readableBytesView, charset)
        case .text(let octets) where isFuzzy: return leaf(.text, octets.readableBytesView, charset)
        default: return nil
        }
    }

    private mutating func leaf(_ place: FuzzyLeaf.Place, _ octets: some Collection<UInt8>, _ charset: String?) -> Node {
        let text = CharsetDecoder.decode(Array(octets), charset: charset ?? "utf-8")
        leaves.append(FuzzyLeaf(place: place, query: FuzzyQuery(text)))
        return .leaf(leaves.count - 1)
    }

    /// Whether a message has to be looked at, by the exact keys that all must match.
    func isCandidate(_ index: Int, _ exact: [Set<Int>]) -> Bool {
        guard case .all(let nodes) = root, case .exact(let number)? = nodes.first else { return true }
        return exact[number].contains(index)
    }

    /// Nil when the message does not match. `scores` are those of the leaves.
    func verdict(_ index: Int, _ exact: [Set<Int>], _ scores: [Int?]) -> Verdict? {
        verdict(root, index, exact, scores)
    }

    private func verdict(_ node: Node, _ index: Int, _ exact: [Set<Int>], _ scores: [Int?]) -> Verdict? {
        switch node {
        case .exact(let number): return exact[number].contains(index) ? Verdict(score: nil) : nil
        case .leaf(let number): return scores[number].map { Verdict(score: $0) }
        case .all(let nodes):
            var found: [Int] = []
            for node in nodes {
                guard let verdict = verdict(node, index, exact, scores) else { return nil }
                if let score = verdict.score { found.append(score) }
            }
            return Verdict(score: found.isEmpty ? nil : found.reduce(0, +) / found.count)
        case .any(let left, let right):
            let verdicts = [left, right].compactMap { verdict($0, index, exact, scores) }
            guard !verdicts.isEmpty else { return nil }
            return Verdict(score: verdicts.map { $0.score ?? 100 }.max())
        }
    }
}
