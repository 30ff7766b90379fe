/// The extensions that a server offers in its answer to EHLO (RFC 5321, 4.1.1.1).
public struct ExtensionList: Sendable, Hashable {
    /// One line: a keyword in upper case and its parameters.
    public struct Item: Sendable, Hashable {
        /// For example `SIZE`.
        public var keyword: String
        /// For example `["52428800"]`.
        public var parameters: [String]

        /// Both.
        public init(_ keyword: String, _ parameters: [String] = []) {
            self.keyword = keyword
            self.parameters = parameters
        }
    }

    /// In the order of the lines.
    public var items: [Item]

    /// Of these.
    public init(_ items: [Item] = []) { self.items = items }

    /// Reads the answer to EHLO; the first line is the greeting.
    public init(reply: Reply) {
        items = reply.lines.dropFirst().compactMap { line in
            var words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard !words.isEmpty else { return nil }
            var keyword = words.removeFirst().uppercased()
            // "AUTH=PLAIN LOGIN", from before RFC 4954, is still sent beside the right line.
            if keyword.hasPrefix("AUTH=") {
                words.insert(String(keyword.dropFirst(5)), at: 0)
                keyword = "AUTH"
            }
            return Item(keyword, words)
        }
    }

    /// The parameters of an extension; nil when it is not offered.
    public subscript(_ keyword: String) -> [String]? {
        items.first { $0.keyword == keyword }?.parameters
    }

    /// RFC 1870: the largest message; 0 or nil when not told.
    public var size: Int? { self["SIZE"].flatMap { $0.first.flatMap { Int($0) } } }
    /// RFC 4954: mechanisms in upper case.
    public var mechanisms: [String] { (self["AUTH"] ?? []).map { $0.uppercased() } }
    /// RFC 9422, 3: for example `RCPTMAX`.
    public func limit(_ name: String) -> Int? {
        for parameter in self["LIMITS"] ?? [] {
            let parts = parameter.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].uppercased() == name { return Int(parts[1]) }
        }
        return nil
    }

    /// The answer to EHLO or LHLO.
    public func reply(greeting: String) -> Reply {
        Reply(code: 250, lines: [greeting] + items.map { ([$0.keyword] + $0.parameters).joined(separator: " ") })
    }
}
