import IMAPSyntax
import NIOCore
import TestSupport
import Testing

@testable import IMAPAccess

/// FILTER beyond what a dialogue shows (RFC 5466).
@Suite("Filters")
struct FilterTests {
    /// The keys of `criteria` with these filters in their places.
    private func replaced(_ criteria: String, _ values: [String: String]) throws -> [SearchKey] {
        let keys = try SearchKey.criteria(ByteBuffer(string: criteria))
        var filters = StoredFilters()
        for _ in 0..<StoredFilters.levels {
            let names = try filters.namesToAsk(for: keys)
            if names.isEmpty { break }
            filters.take(values.mapValues { ByteBuffer(string: $0) }, names)
        }
        return try filters.replaced(in: keys)
    }

    private func refusal(_ criteria: String, _ values: [String: String]) -> ResponseCode? {
        do {
            _ = try replaced(criteria, values)
            return nil
        } catch {
            return Refusal(error).status.text.code
        }
    }

    private func own(_ values: [String: String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: values.map { ("/private/filters/values/" + $0.key, $0.value) })
    }

    @Test("A value stands in its place as one key")
    func values() throws {
        let values = own(["x": "SEEN LARGER 5", "y": "OR FILTER x DRAFT"])
        #expect(
            try replaced("NOT FILTER X (ALL FILTER y)", values) == [
                .not(.and([.flag(.seen), .larger(5)])),
                .and([.all, .and([.or(.and([.flag(.seen), .larger(5)]), .flag(.draft))])]),
            ])
        #expect(try replaced("ALL", values) == [.all])
    }

    @Test("The user's own goes before everybody's (RFC 5466, 3.1)")
    func shared() throws {
        let shared = ["/shared/filters/values/x": "SEEN"]
        #expect(try replaced("FILTER x", shared) == [.and([.flag(.seen)])])
        #expect(try replaced("FILTER x", shared.merging(own(["x": "DRAFT"])) { $1 }) == [.and([.flag(.draft)])])
    }

    @Test("Eight levels, and no circle")
    func levels() throws {
        var values = own(["f8": "ALL"])
        for level in 1..<8 { values.merge(own(["f\(level)": "FILTER f\(level + 1)"])) { $1 } }
        #expect(refusal("FILTER f1", values) == nil)
        values.merge(own(["f0": "FILTER f1"])) { $1 }
        #expect(refusal("FILTER f0", values) == .undefinedFilter("f8"))
        #expect(refusal("FILTER a", own(["a": "FILTER a"])) == .undefinedFilter("a"))
        #expect(refusal("FILTER a", own(["a": "FILTER b", "b": "NOT FILTER A"])) == .undefinedFilter("A"))
        #expect(refusal("FILTER a", own(["a": "OR SMALLER"])) == .undefinedFilter("a"))
        #expect(refusal("FILTER a", own(["a": ""])) == .undefinedFilter("a"))
        #expect(refusal("FILTER " + String(repeating: "x", count: 300), [:]) != nil)
    }

    @Test("All together no larger than a search that a client could send")
    func size() {
        // Each level doubles it.
        var values = own(["f7": "ALL ALL ALL ALL ALL ALL ALL ALL"])
        for level in 1..<7 { values.merge(own(["f\(level)": "FILTER f\(level + 1) FILTER f\(level + 1)"])) { $1 } }
        #expect(refusal("FILTER f1", values) == nil)
        #expect(refusal("FILTER f1 FILTER f1 FILTER f1", values) == .limit)
        let many = (0..<300).map { "FILTER n\($0)" }.joined(separator: " ")
        #expect(refusal(many, [:]) == .limit)
        let deep = String(repeating: "NOT ", count: 30)
        #expect(refusal("\(deep)FILTER a", own(["a": "\(deep)ALL"])) == .limit)
    }

    @Test("Values of everybody are found too, and broken ones are told", .timeLimit(.minutes(1)))
    func stored() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            server.store.state.withLock {
                $0.annotations["/shared/filters/values/team"] = Array("SUBJECT hello".utf8)
                $0.annotations["/shared/filters/values/broken"] = Array("SUBJECT".utf8)
            }
            let client = try await server.select()
            #expect(try await client.ok("SEARCH FILTER team") == ["* SEARCH 1"])
            #expect(
                try await client.command("SEARCH FILTER broken").last?.hasPrefix("t NO [UNDEFINED-FILTER broken]")
                    == true)
            await client.close()
        }
    }
}
