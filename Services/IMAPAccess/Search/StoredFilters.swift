import IMAPSyntax
import NIOCore

/// Searches that a user has stored by name, and search keys with them put in (RFC 5466, 3.1).
///
/// A value of several keys counts as one key, as if it stood in parentheses. Filters may name filters, eight levels deep and
/// never themselves; all of it together makes no larger a search than a client could send.
struct StoredFilters: Sendable {
    /// Levels of filters within filters (RFC 5466, 3.1 wants three).
    static let levels = 8
    /// Filters that one search may name.
    static let limit = 256

    /// What a name stands for; nil when its value is no search.
    private var values: [String: [SearchKey]?] = [:]
    /// Names that have been looked for.
    private var asked: Set<String> = []

    /// Beneath one of these roots lie the values, of the user and of everybody.
    static let roots = ["/private/filters/values/", "/shared/filters/values/"]

    /// A name as entries have it, without regard to case; nil for one that no entry can have.
    static func canonical(_ name: String) -> String? {
        MetadataEntry(roots[0] + name).map { String($0.name.dropFirst(roots[0].count)) }
    }

    /// The names that have to be looked for, which count as asked for from now on.
    mutating func namesToAsk(for keys: [SearchKey]) throws(Refusal) -> [String] {
        var names: Set<String> = []
        for key in keys + values.values.flatMap({ $0 ?? [] }) {
            _ = key.contains {
                if case .filter(let name) = $0, let name = Self.canonical(name) { names.insert(name) }
                return false
            }
        }
        names.subtract(asked)
        asked.formUnion(names)
        guard asked.count <= Self.limit else { throw Self.tooLarge }
        return names.sorted()
    }

    /// Takes the values of entries, the user's own before everybody's.
    mutating func take(_ entries: [String: ByteBuffer], _ names: [String]) {
        for name in names {
            guard let value = Self.roots.lazy.compactMap({ entries[$0 + name] }).first else { continue }
            values.updateValue(try? SearchKey.criteria(value), forKey: name)
        }
    }

    /// The keys with each filter's value in its place.
    func replaced(in keys: [SearchKey]) throws(Refusal) -> [SearchKey] {
        var left = ParsingLimits().searchKeys
        var replaced: [SearchKey] = []
        for key in keys { replaced.append(try self.replaced(key, within: [], depth: 0, &left)) }
        return replaced
    }

    private func replaced(
        _ key: SearchKey, within path: [String], depth: Int, _ left: inout Int
    ) throws(Refusal) -> SearchKey {
        left -= 1
        guard left >= 0, depth <= ParsingLimits().searchDepth else { throw Self.tooLarge }
        switch key {
        case .filter(let name):
            guard let canonical = Self.canonical(name), path.count < Self.levels, !path.contains(canonical),
                let stored = values[canonical]
            else { throw Self.undefined(name) }
            guard let value = stored else {
                throw Refusal(.no, .undefinedFilter(name), "The value of the filter is not a search")
            }
            var keys: [SearchKey] = []
            for key in value {
                keys.append(try replaced(key, within: path + [canonical], depth: depth + 1, &left))
            }
            return .and(keys)
        case .not(let inner):
            return .not(try replaced(inner, within: path, depth: depth + 1, &left))
        case .fuzzy(let inner):
            return .fuzzy(try replaced(inner, within: path, depth: depth + 1, &left))
        case .or(let first, let second):
            return .or(
                try replaced(first, within: path, depth: depth + 1, &left),
                try replaced(second, within: path, depth: depth + 1, &left))
        case .and(let inner):
            var keys: [SearchKey] = []
            for key in inner { keys.append(try replaced(key, within: path, depth: depth + 1, &left)) }
            return .and(keys)
        default: return key
        }
    }

    static func undefined(_ name: String) -> Refusal {
        Refusal(.no, .undefinedFilter(name), "There is no such filter")
    }

    private static let tooLarge = Refusal(.no, .limit, "The filters make too large a search")
}
