import Contracts
import IMAPSyntax
import NIOCore

/// The search key FILTER (RFC 5466). Values are the server's annotations, so that they are the account's.
extension Session {
    /// The keys with each filter's value in its place.
    func replacingFilters(_ keys: [SearchKey], charset: String?) async throws -> [SearchKey] {
        guard keys.contains(where: \.namesFilter) else { return keys }
        guard charset == nil || charset == "UTF-8" || charset == "US-ASCII" else {
            throw Refusal(.bad, .badCharset(["US-ASCII", "UTF-8"]), "FILTER is in UTF-8")
        }
        var filters = StoredFilters()
        for _ in 0..<StoredFilters.levels {
            let names = try filters.namesToAsk(for: keys)
            if names.isEmpty { break }
            var request = GetMetadataRequest()
            request.accountID = try accountID()
            request.entries = names.flatMap { name in StoredFilters.roots.map { $0 + name } }
            let reply = try await services.store.getMetadata(request, callContext())
            try Refusal.check(reply.outcome)
            let values = reply.annotations.map { ($0.entry, ByteBuffer(bytes: $0.value)) }
            filters.take(Dictionary(values) { first, _ in first }, names)
        }
        return try filters.replaced(in: keys)
    }

    /// Refuses values that are no searches, before anything is stored (RFC 5466, 3.2).
    func checkFilters(_ values: [MetadataValue]) throws {
        for value in values {
            guard let octets = value.value,
                let root = StoredFilters.roots.first(where: value.entry.name.hasPrefix),
                !value.entry.name.dropFirst(root.count).contains("/")
            else { continue }
            do throws(InvalidCommand) {
                _ = try SearchKey.criteria(octets)
            } catch {
                throw Refusal(.no, .cannot, "Not a search: \(error.problem.text(at: error.position))")
            }
        }
    }
}

extension SearchKey {
    /// Whether FILTER is this key, or one within it.
    fileprivate var namesFilter: Bool { contains { if case .filter = $0 { true } else { false } } }
}
