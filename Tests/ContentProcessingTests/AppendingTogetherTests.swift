import Contracts
import Cryptography
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("Messages that IMAP appends together", .timeLimit(.minutes(2)))
struct AppendingTogetherTests {
    private func append(
        _ messages: [[UInt8]], on fixture: ContentFixture, _ change: (inout AppendRequest) -> Void = { _ in }
    ) async throws -> AppendReply {
        try await fixture.append(Array(messages.joined())) { request in
            request.messageOctets = 0
            request.messages = messages.enumerated().map { index, message in
                .with {
                    $0.flags = ["\\Seen", "$\(index)"]
                    $0.internalDate = Int64(index)
                    $0.messageOctets = Int64(message.count)
                }
            }
            change(&request)
        }
    }

    @Test("go to storage with one commit, each octet for octet", arguments: [0, 100_000, 300_000])
    func stored(_ octets: Int) async throws {
        try await ContentFixture.run { fixture async throws in
            let messages = (0..<5).map { sample(octets: octets, header: "X-Number: \($0)\r\n") }
            let reply = try await append(messages, on: fixture)
            #expect(reply.outcome == .stored && reply.mailboxID == 7 && reply.uidValidity == 11)
            #expect(reply.uids == [1, 2, 3, 4, 5] && reply.uid == 1 && reply.receipts.count == 5)
            #expect(await fixture.storage.commits.count == 1)
            let commit = try #require(await fixture.storage.commits.first)
            #expect(commit.request.dispositions.isEmpty && commit.request.messages.count == 5)
            #expect(commit.idempotencyKey == commit.transaction)
            let staged = await fixture.storage.staged
            var frames = commit.payload[...]
            for (index, message) in commit.request.messages.enumerated() {
                let store = message.dispositions[0].store
                #expect(store.mailboxName == "Drafts" && store.flags == ["\\Seen", "$\(index)"])
                #expect(index == 0 ? store.internalDate > 1_600_000_000_000_000 : store.internalDate == Int64(index))
                #expect(Array(message.content.digest) == SHA256.hash(messages[index]))
                let isInline = message.content.stagedContentID == 0
                let own = frames.prefix(isInline ? 3 : 1)
                frames = frames.dropFirst(own.count)
                let kept =
                    isInline ? own.flatMap { Array(buffer: $0) } : staged[Int(message.content.stagedContentID) - 100]
                #expect(kept == messages[index])
            }
            #expect(frames.isEmpty)
            #expect(commit.payload.reduce(0) { $0 + $1.readableBytes } <= ProcessingLimits().togetherOctets)
            #expect(staged.count == (octets == 300_000 ? 5 : 0))
        }
    }

    @Test("are staged when they are more than one commit takes")
    func staged() async throws {
        var limits = ProcessingLimits()
        limits.togetherOctets = 250_000
        try await ContentFixture.run(limits: limits) { fixture async throws in
            let reply = try await append((0..<5).map { sample(octets: 100_000 + $0) }, on: fixture)
            #expect(reply.outcome == .stored)
            #expect(await fixture.storage.staged.map(\.count) == [100_002, 100_003, 100_004])
        }
    }

    @Test("are known by all of them: by what, in which order, how often")
    func fingerprints() async throws {
        try await ContentFixture.run { fixture async throws in
            let (one, other) = (sample(header: "X: 1\r\n"), sample(header: "X: 2\r\n"))
            for messages in [[one, other], [one, other], [other, one], [one, one], [one, other, one], [one]] {
                _ = try await append(messages, on: fixture)
            }
            _ = try await append([one, other], on: fixture) { $0.messages[1].flags = [] }
            _ = try await append([one, other], on: fixture) { $0.mailboxName = "INBOX" }
            _ = try await fixture.append(one)
            let all = await fixture.storage.commits.map { commit in
                let dispositions = commit.request.messages.flatMap(\.dispositions) + commit.request.dispositions
                return dispositions.map { $0.fingerprints[0] }
            }
            #expect(all[0] == all[1])
            // Each message has one of its own, and no other set of messages has any of them.
            for (index, prints) in all.enumerated() {
                #expect(Set(prints).count == prints.count)
                for others in all[..<index] where others != prints { #expect(Set(others).isDisjoint(with: prints)) }
            }
            #expect(Set(all).count == all.count - 1)
        }
    }

    @Test("or alone, take the place of another message with the same commit")
    func replacing() async throws {
        try await ContentFixture.run { fixture async throws in
            let message = sample()
            for uid in [UInt32(5), 5, 6] {
                let reply = try await append([message], on: fixture) {
                    $0.replaced.mailboxID = 9
                    $0.replaced.uid = uid
                }
                #expect(reply.outcome == .stored && reply.uids == [1])
            }
            _ = try await append([message], on: fixture)
            let commits = await fixture.storage.commits.map(\.request)
            #expect(commits.map(\.hasRemoval) == [true, true, true, false])
            let removal = commits[0].removal
            #expect(removal.accountID == 1 && removal.mailboxID == 9 && removal.uid == 5)
            let prints = commits.map { $0.messages[0].dispositions[0].fingerprints }
            #expect(prints[0] == prints[1])
            #expect(Set(prints).count == 3)
            await fixture.storage.set(.noSuchMessage, for: 1)
            #expect(try await append([message], on: fixture) { $0.replaced.uid = 5 }.outcome == .noSuchMessage)
            // Described as one that replaces nothing, it is refused.
            await #expect(throws: MessagingError.self) {
                try await fixture.append(message) { $0.replaced.uid = 5 }
            }
        }
    }

    @Test(
        "meet together what can go wrong with one",
        arguments: [
            (CommitOutcome.noSuchMailbox, AppendOutcome.noSuchMailbox), (.overQuota, .overQuota),
            (.tooManyKeywords, .beyondLimit),
        ])
    func outcomes(_ commit: CommitOutcome, _ append: AppendOutcome) async throws {
        try await ContentFixture.run { fixture async throws in
            await fixture.storage.set(commit, for: 1)
            let reply = try await self.append([sample(), sample()], on: fixture)
            #expect(reply.outcome == append && reply.uids.isEmpty && reply.receipts.isEmpty)
        }
    }

    @Test("that are not what was announced, or beyond a limit, are refused, and nothing is committed")
    func refusals() async throws {
        var limits = ProcessingLimits()
        limits.mime.headerOctets = 4096
        limits.messageOctets = 100_000
        limits.messagesTogether = 3
        try await ContentFixture.run(limits: limits) { fixture async throws in
            let long = sample(header: "X: " + String(repeating: "x", count: 5000) + "\r\n")
            #expect(try await append([sample(), long], on: fixture).outcome == .beyondLimit)
            #expect(try await append([sample(), sample(octets: 100_001)], on: fixture).outcome == .beyondLimit)
            #expect(try await append([[UInt8]](repeating: sample(), count: 4), on: fixture).outcome == .beyondLimit)
            for change: @Sendable (inout AppendRequest) -> Void in [
                { $0.messages[0].messageOctets += 1 }, { $0.messages[1].messageOctets -= 1 },
                { $0.messages.removeLast() }, { $0.messageOctets = 1 }, { $0.messages[0].messageOctets = -1 },
                { $0.messages[0].messageOctets = .max },
            ] {
                await #expect(throws: MessagingError.self) {
                    try await append([sample(), sample()], on: fixture, change)
                }
            }
            #expect(await fixture.storage.commits.isEmpty)
            await fixture.storage.fail([MessagingError(.failed, "no")])
            await #expect(throws: MessagingError.self) { try await append([sample(), sample()], on: fixture) }
            #expect(try await append([sample(), sample()], on: fixture).outcome == .stored)
        }
    }
}
