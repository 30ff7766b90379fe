import Contracts
import Cryptography
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("A message that IMAP appends", .timeLimit(.minutes(2)))
struct AppendingTests {
    @Test("is kept octet for octet, without trace fields, as its user wishes", arguments: [0, 400_000])
    func stored(_ octets: Int) async throws {
        try await ContentFixture.run { fixture async throws in
            // What a user appends may have bare line feeds and as many hops as it likes.
            let hops = String(repeating: "Received: from a by b; x\n", count: 60)
            let message = sample(octets: octets, header: hops)
            let reply = try await fixture.append(message) {
                $0.flags = ["\\Seen", "$Work"]
                $0.internalDate = 42
            }
            #expect(reply.outcome == .stored && reply.mailboxID == 7 && reply.uidValidity == 11 && reply.uid == 1)
            let commit = try #require(await fixture.storage.commits.first)
            #expect(commit.prefix.isEmpty)
            #expect(Array(commit.request.content.digest) == SHA256.hash(message))
            let store = commit.request.dispositions[0].store
            #expect(store.mailboxName == "Drafts" && store.flags == ["\\Seen", "$Work"] && store.internalDate == 42)
            #expect(!store.fallBackToInbox)
            let kept =
                octets == 0
                ? commit.payload.flatMap { Array(buffer: $0) } : await fixture.storage.staged.flatMap { $0 }
            #expect(kept == message)
        }
    }

    @Test("to a mailbox that is not his own names its user, and is another than the same by its owner or somebody else")
    func guests() async throws {
        try await ContentFixture.run { fixture async throws in
            for user in [0, 1, 8, 9, 8] as [Int64] {
                _ = try await fixture.append(sample()) {
                    if user > 0 { $0.client.identity.accountID = user }
                }
            }
            let dispositions = await fixture.storage.commits.map { $0.request.dispositions[0] }
            #expect(dispositions.map(\.store.userID) == [0, 0, 8, 9, 8])
            #expect(dispositions.allSatisfy { $0.store.accountID == 1 })
            let prints = dispositions.map(\.fingerprints)
            // As it was before there were others; what comes again is the same.
            #expect(prints[0] == prints[1] && prints[2] == prints[4])
            #expect(Set(prints).count == 3)
        }
    }

    @Test("without a date has the date of now")
    func now() async throws {
        try await ContentFixture.run { fixture async throws in
            _ = try await fixture.append(sample())
            let date = try #require(await fixture.storage.commits.first).request.dispositions[0].store.internalDate
            #expect(date > 1_600_000_000_000_000)
        }
    }

    @Test(
        "meets what can go wrong",
        arguments: [
            (CommitOutcome.noSuchMailbox, AppendOutcome.noSuchMailbox), (.overQuota, .overQuota),
            (.tooManyKeywords, .beyondLimit),
        ])
    func outcomes(_ commit: CommitOutcome, _ append: AppendOutcome) async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(commit, for: 1)
            #expect(try await fixture.append(sample()).outcome == append)
        }
    }

    @Test("beyond a limit is refused, and storage that is away is an error that passes")
    func refusals() async throws {
        var limits = ProcessingLimits()
        limits.mime.headerOctets = 4096
        limits.messageOctets = 100_000
        try await ContentFixture.run(limits: limits) { fixture async throws in
            let long = sample(header: "X: " + String(repeating: "x", count: 5000) + "\r\n")
            #expect(try await fixture.append(long).outcome == .beyondLimit)
            #expect(try await fixture.append(sample(octets: 100_001)).outcome == .beyondLimit)
            await fixture.storage.fail([MessagingError(.failed, "no")])
            await #expect(throws: MessagingError.self) { try await fixture.append(sample()) }
            #expect(try await fixture.append(sample()).outcome == .stored)
        }
    }
}
