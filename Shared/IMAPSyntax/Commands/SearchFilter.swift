import NIOCore

/// Named searches (RFC 5466).
extension SearchKey {
    /// The keys of a stored `search-criteria`, whose strings are UTF-8; what is wrong with octets that are none.
    public static func criteria(
        _ octets: ByteBuffer, limits: ParsingLimits = ParsingLimits()
    ) throws(InvalidCommand) -> [SearchKey] {
        let result = ByteCursor.parse(octets, limits: limits, encoding: .utf8) {
            cursor throws(SyntaxError) -> [SearchKey] in
            var grammar = SearchKeyGrammar(limits: cursor.limits)
            let keys = try grammar.keys(&cursor, depth: 0)
            guard cursor.isAtEnd else { throw cursor.failure("the end of the criteria") }
            return keys
        }
        switch result {
        case .success(let keys): return keys
        case .failure(let error): throw InvalidCommand(tag: nil, problem: error.problem, position: error.position)
        }
    }
}

extension ByteCursor {
    /// `filter-name`
    mutating func filterName() throws(SyntaxError) -> String {
        let start = position
        let name = try atom("the name of a filter")
        guard !name.utf8.contains(UInt8(ascii: "/")) else {
            throw failure("the name of a filter, without \"/\"", at: start)
        }
        return name
    }
}
