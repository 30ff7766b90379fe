import Contracts
import Foundation
import Messaging
import TestSupport
import Testing

@testable import Administration

@Suite("martlet trace")
struct TraceTests {
    private static let (first, second) = (
        TransactionID("06fd8cq2n40xr0mgs3n3dkrgyw"), TransactionID("06fd8cq2n40xr0mgs3n3dkrgyx")
    )

    /// A message whose reply was lost, and that came again.
    private func house() throws -> StubHouse {
        let first = try #require(Self.first)
        let second = try #require(Self.second)
        func entry(_ event: LedgerEvent, _ id: TransactionID, _ fill: (inout LedgerEntry) -> Void) -> LedgerEntry {
            var entry = LedgerEntry()
            entry.at = 1_709_251_199_000_000
            entry.event = event
            entry.transactionID = .init(id.octets)
            entry.account = "alice@example.test"
            fill(&entry)
            return entry
        }
        func received(_ entry: inout LedgerEntry) {
            entry.entrance = .relay
            entry.clientAddress = "192.0.2.1"
            entry.reversePath = "a@b.example"
            entry.forwardPath = "sales@example.test"
            entry.messageID = "<1@b.example>"
            entry.octets = 4_096
        }
        return StubHouse {
            $0.ledger = [
                entry(.stored, first) {
                    received(&$0)
                    $0.mailbox = "INBOX"
                    $0.uid = 7
                },
                entry(.repeated, second) {
                    received(&$0)
                    $0.firstID = .init(first.octets)
                },
                entry(.settled, second) { _ in },
            ]
        }
    }

    @Test("tells the story in the order of time, a line an event")
    func story() async throws {
        let transcript = try await run("trace", "alice@example.test", house: house())
        #expect(
            transcript.answer == """
                2024-02-29T23:59:59.000000Z  06fd8cq2n40xr0mgs3n3dkrgyw  stored    from <a@b.example>, to \
                <sales@example.test>, in alice@example.test INBOX uid 7, 4.0 KB, by SMTP, from 192.0.2.1, <1@b.example>
                2024-02-29T23:59:59.000000Z  06fd8cq2n40xr0mgs3n3dkrgyx  repeated  from <a@b.example>, to \
                <sales@example.test>, account alice@example.test, first delivered as 06fd8cq2n40xr0mgs3n3dkrgyw, \
                4.0 KB, by SMTP, from 192.0.2.1, <1@b.example>
                2024-02-29T23:59:59.000000Z  06fd8cq2n40xr0mgs3n3dkrgyx  settled   account alice@example.test

                """)
    }

    @Test("takes a transaction, a Message-ID or an address, and looks back as far as it is told")
    func subjects() async throws {
        let house = try house()
        let id = try #require(Self.first)
        _ = try await run("trace", id.description, house: house)
        _ = try await run("trace", "<1@b.example>", "--limit", "5", house: house)
        _ = try await run("trace", "alice@example.test", "--since", "1h", house: house)
        _ = try await run("trace", house: house)
        let asked = house.state.withLock { $0.traces }
        #expect(Array(asked[0].transactionID) == id.octets && asked[0].limit == 1_000)
        #expect(asked[1].messageID == "<1@b.example>" && asked[1].limit == 5)
        #expect(asked[2].address == "alice@example.test" && asked[2].since > asked[0].since)
        #expect(asked[3].transactionID.isEmpty && asked[3].messageID.isEmpty && asked[3].address.isEmpty)
    }

    @Test("refuses what is none of them, and says what it takes")
    func unknown() async throws {
        await #expect {
            _ = try await run("trace", "nonsense", house: StubHouse())
        } throws: { error in
            Failure(error).status == .unusableData
        }
    }

    @Test("says so when nothing is known, or when there is more")
    func edges() async throws {
        #expect(
            try await run("trace", "x@example.test", house: StubHouse()).answer
                == "Nothing is known of it in that time.\n")
        let cut = try await run("trace", "--limit", "2", house: house())
        #expect(cut.answer.split(separator: "\n").count == 2 && cut.notes.count == 1)
    }

    @Test("answers in JSON with a stable shape")
    func json() async throws {
        let transcript = try await run("trace", "--json", house: house())
        let page = try #require(
            try JSONSerialization.jsonObject(with: Data(transcript.answer.utf8)) as? [String: Any])
        let entries = try #require(page["entries"] as? [[String: Any]])
        #expect(page["is_cut"] as? Bool == false)
        #expect(entries.map { $0["event"] as? String } == ["stored", "repeated", "settled"])
        #expect(entries[1]["first"] as? String == "06fd8cq2n40xr0mgs3n3dkrgyw")
        #expect(entries[0]["forward_path"] as? String == "sales@example.test" && entries[0]["uid"] as? Int == 7)
    }
}
