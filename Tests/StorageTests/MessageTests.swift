import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    func flags(
        _ accountID: Int64, _ mailboxID: Int64, _ uids: [UInt32], _ operation: FlagOperation, _ flags: [String],
        unchangedSince: UInt64 = 0, context: CallContext = CallContext()
    ) async throws -> StoreFlagsReply {
        try await mailStore.storeFlags(
            StoreFlagsRequest.with {
                $0.accountID = accountID
                $0.mailboxID = mailboxID
                $0.uids = uids
                $0.operation = operation
                $0.flags = flags
                $0.unchangedSince = unchangedSince
            }, context)
    }

    func copy(
        _ accountID: Int64, _ mailboxID: Int64, _ uids: [UInt32], to name: String, move: Bool = false,
        context: CallContext = CallContext()
    ) async throws -> CopyReply {
        try await mailStore.copy(
            CopyRequest.with {
                $0.accountID = accountID
                $0.mailboxID = mailboxID
                $0.uids = uids
                $0.toMailboxName = name
                $0.move = move
            }, context)
    }

    func expunge(_ accountID: Int64, _ mailboxID: Int64, _ uids: [UInt32] = []) async throws -> ExpungeReply {
        try await mailStore.expunge(
            ExpungeRequest.with {
                $0.accountID = accountID
                $0.mailboxID = mailboxID
                $0.uids = uids
            }, CallContext())
    }
}

@Suite("Messages")
struct MessageTests {
    @Test("are seen in a view as columns, also more than one item holds, and what changed since")
    func views() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let first = try await storage.deliver(to: alice)
            // Twice the messages of one item and some, by the database itself.
            let count = MailStoreService.viewPortion * 2 + 5
            try await storage.database.query(
                """
                INSERT INTO mail.messages SELECT account_id, mailbox_id, n, content_id, 0, 2, internal_date, size
                    FROM mail.messages, generate_series(2, \(count)) n;
                UPDATE mail.mailboxes SET uid_next = \(count + 1), message_count = \(count) WHERE message_count > 0
                """)
            let view = try await storage.view(alice, "INBOX")
            #expect(view.entries.map(\.uid) == Array(1...UInt32(count)))
            #expect(view.mailbox?.messageCount == UInt32(count))
            let before = try #require(view.mailbox?.highestModseq)
            let changed = try await storage.flags(
                alice, first.mailboxID, [3, 5, 4, 4, 9, 9, 9_000_000, 10], .add, ["\\Seen"])
            #expect(changed.modseq == before + 1)
            _ = try await storage.flags(alice, first.mailboxID, [1, 2, 7, 7], .add, ["\\Deleted"])
            _ = try await storage.expunge(alice, first.mailboxID)
            let since = try await storage.view(alice, "INBOX", since: before)
            #expect(Set(since.entries.map(\.uid)).isSuperset(of: [3, 4, 5, 9, 10]))
            #expect(since.entries.allSatisfy { $0.modseq > before })
            #expect(since.vanished == [1, 2, 7, 7])
            #expect(since.mailbox?.messageCount == UInt32(count - 3))
            let nothing = try await storage.view(alice, "INBOX", since: UInt64(Int64.max))
            #expect(nothing.entries.isEmpty && nothing.vanished.isEmpty && nothing.mailbox != nil)
            #expect(try await storage.view(alice, "INBOX", since: .max).mailbox == since.mailbox)
            #expect(try await storage.view(alice, "Nowhere").outcome == .noSuchMailbox)
        }
    }

    @Test("give what is asked for, in ascending order")
    func fetching() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            for index in 0..<600 {
                try await storage.deliver("Subject: \(index)\r\n\r\nbody", to: alice)
            }
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            var request = FetchRequest.with {
                $0.accountID = alice
                $0.mailboxID = inbox.mailboxID
                $0.uids = [590, .max, 3, 400, 1, 1, 350, 450]
                $0.header = true
                $0.envelope = true
            }
            var uids: [UInt32] = []
            for item in try await storage.fetched(request) {
                uids.append(item.uid)
                let header = "Trace: 1\r\nSubject: \(item.uid - 1)\r\n\r\n"
                #expect(item.header.map { String(buffer: $0) } == header)
                #expect(item.prefixOctets == 10)
                #expect(item.headerOctets == Int64(header.utf8.count - 10))
                #expect(item.octets == Int64(header.utf8.count + 4))
                #expect(item.envelope.map { String(buffer: $0).hasPrefix("(envelope") } == true)
                #expect(item.bodyStructure == nil && item.mimeIndex == nil && item.whole == nil)
            }
            #expect(uids == [1] + Array(3...450) + Array(590...600))
            request.header = false
            request.envelope = false
            request.bodyStructure = true
            request.body = true
            request.mimeIndex = true
            request.uids = [7]
            let items = try await storage.fetched(request)
            #expect(items.map(\.uid) == [7])
            for item in items {
                #expect(item.header == nil && item.envelope == nil)
                #expect(item.bodyStructure.map { String(buffer: $0) } == "(structure)")
                #expect(item.body.map { String(buffer: $0) } == "(summary)")
                #expect(item.mimeIndex == ByteBuffer(bytes: [1, 2, 3]))
            }
        }
    }

    @Test("come whole as long as they are small, and never more of them than a page holds")
    func whole() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let sizes = (0..<40).map { [100, 40_000, 300_000, 400_000][$0 % 4] }
            for size in sizes {
                try await storage.deliver("Subject: \(size)\r\n\r\n" + String(repeating: "b", count: size), to: alice)
            }
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            let request = FetchRequest.with {
                $0.accountID = alice
                $0.mailboxID = inbox.mailboxID
                $0.uids = [1, .max]
                $0.wholeOctets = 350_000
            }
            var uids: [UInt32] = []
            for try await (page, payload) in try await storage.mailStore.fetch(request, CallContext()) {
                #expect(payload.reduce(0) { $0 + $1.readableBytes } < FetchPages.octets + 350_000)
                for message in try page.messages(payload) {
                    uids.append(message.uid)
                    let size = sizes[Int(message.uid) - 1]
                    let text = "Trace: 1\r\nSubject: \(size)\r\n\r\n" + String(repeating: "b", count: size)
                    #expect(message.octets == Int64(text.utf8.count))
                    #expect(message.whole == (size > 350_000 ? nil : ByteBuffer(string: text)))
                }
            }
            #expect(uids == Array(1...40))
        }
    }

    @Test("change flags with one modseq, only where something changes")
    func flags() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            for _ in 0..<5 { try await storage.deliver(to: alice) }
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            let id = inbox.mailboxID
            try await eventually("the last announcement") {
                storage.changes.take().contains { $0.highestModseq == inbox.highestModseq }
            }
            let added = try await storage.flags(alice, id, [1, 3], .add, ["\\seen", "$Junk", "$junk", "\\Recent"])
            #expect(added.uids.sorted() == [1, 2, 3])
            #expect(added.flags == [257, 257, 257])
            #expect(added.modseq == inbox.highestModseq + 1)
            #expect(added.keywords == ["$Junk"])
            #expect(storage.changes.take().map(\.highestModseq) == [added.modseq])
            let again = try await storage.flags(alice, id, [2, 4], .add, ["\\Seen", "$JUNK"])
            #expect(again.uids == [4])
            let same = try await storage.flags(alice, id, [1, 4], .add, ["\\Seen"])
            #expect(same.uids.isEmpty && same.modseq == again.modseq && same.outcome == .done)
            let conditional = try await storage.flags(
                alice, id, [1, 5], .replace, ["\\Answered"], unchangedSince: added.modseq)
            #expect(conditional.modifiedUids == [4])
            #expect(conditional.uids.sorted() == [1, 2, 3, 5])
            let removed = try await storage.flags(alice, id, [1, 5], .remove, ["\\Answered", "unknown"])
            #expect(removed.uids.sorted() == [1, 2, 3, 5])
            #expect(removed.keywords == ["$Junk"])
            let state = try #require(try await storage.mailbox(alice, "INBOX"))
            #expect(state.unseenCount == 4 && state.highestModseq == removed.modseq)
            let many = try await storage.flags(alice, id, [1, 1], .add, (0..<60).map { "k\($0)" })
            #expect(many.outcome == .beyondLimit && many.uids.isEmpty)
            await #expect(throws: MessagingError.self) {
                try await storage.flags(alice, id, [1, 1], .add, ["two words"])
            }
        }
    }

    @Test("are copied and moved with flags and keywords, all or none")
    func copying() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test", messages: 6)
            for flags in [["$A", "\\Seen"], ["$B"], []] { try await storage.deliver(to: alice, flags: flags) }
            try await storage.deliver(to: alice, mailbox: "Archive", flags: ["$X", "$b"])
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            let copied = try await storage.copy(alice, inbox.mailboxID, [2, 2, 1, 1, 77, 78], to: "Archive")
            #expect(copied.outcome == .done)
            #expect(copied.sourceUids == [1, 2] && copied.targetUids == [2, 3])
            let archive = try await storage.view(alice, "Archive")
            #expect(archive.mailbox?.keywords == ["$X", "$b", "$A"])
            #expect(archive.entries.map(\.flags) == [3 << 8, 1 | 4 << 8, 2 << 8])
            #expect(archive.mailbox?.unseenCount == 2)
            #expect(copied.toUidValidity == archive.mailbox?.uidValidity)
            #expect(try await storage.copy(alice, inbox.mailboxID, [1, 3], to: "Archive").outcome == .overQuota)
            let moved = try await storage.copy(alice, inbox.mailboxID, [1, 2], to: "Trash", move: true)
            #expect(moved.outcome == .done && moved.targetUids == [1, 2])
            #expect(moved.sourceModseq == inbox.highestModseq + 1)
            let rest = try await storage.view(alice, "INBOX", since: inbox.highestModseq)
            #expect(rest.vanished == [1, 2] && rest.entries.isEmpty && rest.mailbox?.messageCount == 1)
            #expect(try await storage.copy(alice, inbox.mailboxID, [3, 3], to: "Nowhere").outcome == .noSuchMailbox)
            let none = try await storage.copy(alice, inbox.mailboxID, [50, 60], to: "Trash")
            #expect(none.outcome == .done && none.sourceUids.isEmpty)
            // Within one mailbox a move gives new uids.
            let within = try await storage.copy(alice, inbox.mailboxID, [3, 3], to: "INBOX", move: true)
            #expect(within.targetUids == [4])
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [4])
            #expect(try await storage.database.query("SELECT count(*) FROM mail.contents") == "4")
        }
    }

    @Test("are copied once when the call is sent again, and flags are judged once")
    func repeatedCalls() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let message = try await storage.deliver(to: alice)
            let context = CallContext(idempotencyKey: .next())
            let first = try await storage.copy(alice, message.mailboxID, [1, 1], to: "Sent", context: context)
            async let one = storage.copy(alice, message.mailboxID, [1, 1], to: "Sent", context: context)
            async let two = storage.copy(alice, message.mailboxID, [1, 1], to: "Sent", context: context)
            #expect(try await one == first)
            #expect(try await two == first)
            #expect(try await storage.mailbox(alice, "Sent")?.messageCount == 1)
            let flagContext = CallContext(idempotencyKey: .next())
            for _ in 0..<2 {
                let reply = try await storage.flags(
                    alice, message.mailboxID, [1, 1], .add, ["\\Seen"], unchangedSince: message.modseq,
                    context: flagContext)
                #expect(reply.uids == [1] && reply.modifiedUids.isEmpty)
            }
        }
    }

    @Test("are expunged only when they are marked, and their uids are remembered as runs")
    func expunging() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            for _ in 0..<9 { try await storage.deliver(to: alice) }
            let inbox = try #require(try await storage.mailbox(alice, "INBOX"))
            _ = try await storage.flags(alice, inbox.mailboxID, [1, 3, 5, 5, 8, 9], .add, ["\\Deleted"])
            let some = try await storage.expunge(alice, inbox.mailboxID, [2, 6])
            #expect(some.uids == [2, 3, 5])
            let all = try await storage.expunge(alice, inbox.mailboxID)
            #expect(all.uids == [1, 8, 9] && all.modseq == some.modseq + 1)
            let none = try await storage.expunge(alice, inbox.mailboxID)
            #expect(none.uids.isEmpty && none.modseq == all.modseq)
            let view = try await storage.view(alice, "INBOX", since: some.modseq)
            #expect(view.vanished == [1, 1, 8, 9])
            #expect(try await storage.view(alice, "INBOX").entries.map(\.uid) == [4, 6, 7])
            #expect(view.mailbox?.deletedCount == 0 && view.mailbox?.uidNext == 10)
        }
    }

    @Test("come back after the database was away, without a restart of storage")
    func databaseAway() async throws {
        let cluster = try await PostgreSQLCluster.separate()
        try await withStorage(try await cluster.database()) { storage in
            let alice = try await storage.account("alice@example.test")
            try await storage.deliver(to: alice)
            try await cluster.kill()
            let error = await #expect(throws: MessagingError.self) { try await storage.mailboxes(alice) }
            #expect(error?.code == .unavailable)
            let refused = await #expect(throws: MessagingError.self) {
                try await storage.commit("A: b\r\n\r\n", [.store(alice)], timeout: .seconds(1))
            }
            #expect(refused?.isTemporary == true)
            try await cluster.start()
            try await eventually("a delivery") { (try? await storage.deliver(to: alice)) != nil }
            // Readers have connections of their own, and after a failure try again a tenth of a second later.
            let uids = try await eventually("a view") {
                try? await storage.view(alice, "INBOX").entries.map(\.uid)
            }
            #expect(uids == [1, 2])
        }
    }
}
