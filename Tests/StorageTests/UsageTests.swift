import Contracts
import Messaging
import TestSupport
import Testing

@testable import Storage

extension StorageFixture {
    func usage(_ accountID: Int64) async throws -> UsageReply {
        try await mailStore.usage(UsageRequest.with { $0.accountID = accountID }, CallContext())
    }
}

/// RFC 9208: what is told of an account's limits is what refuses.
@Suite("Usage")
struct UsageTests {
    @Test("is what was stored, copied and removed, within the limits of the account")
    func counts() async throws {
        try await withStorage(adjust: { $0.mailboxLimit = 8 }) { storage in
            let alice = try await storage.account("alice@example.test", octets: 5000, messages: 3)
            var usage = try await storage.usage(alice)
            #expect(usage.octetsLimit == 5000 && usage.messagesLimit == 3 && usage.mailboxesLimit == 8)
            #expect(usage.usedOctets == 0 && usage.usedMessages == 0 && usage.mailboxes == 6)
            let first = try await storage.deliver(to: alice)
            let size = Int64(try await storage.view(alice, "INBOX").entries[0].size)
            _ = try await storage.copy(alice, first.mailboxID, [1, 1], to: "Sent")
            usage = try await storage.usage(alice)
            #expect(usage.usedOctets == 2 * size && usage.usedMessages == 2)
            #expect(try await storage.deliver(to: alice).outcome == .done)
            #expect(try await storage.deliver(to: alice).outcome == .overQuota)
            _ = try await storage.flags(alice, first.mailboxID, [1, 2], .add, ["\\Deleted"])
            _ = try await storage.expunge(alice, first.mailboxID)
            usage = try await storage.usage(alice)
            #expect(usage.usedOctets == size && usage.usedMessages == 1)
            // A name that only holds children counts, as it does against the limit.
            #expect(try await storage.create(alice, "a/b").outcome == .done)
            #expect(try await storage.usage(alice).mailboxes == 8)
            #expect(try await storage.create(alice, "c").outcome == .beyondLimit)
            _ = try await storage.directory.setQuota(
                SetQuotaRequest.with { $0.address = "alice@example.test" }, CallContext())
            usage = try await storage.usage(alice)
            #expect(usage.octetsLimit == 0 && usage.messagesLimit == 0)
            await #expect(throws: MessagingError.self) { try await storage.usage(alice + 1000) }
        }
    }

    @Test("of what carries \\Deleted is counted for each mailbox when it is asked for")
    func deleted() async throws {
        try await withStorage { storage in
            let alice = try await storage.account("alice@example.test")
            let bob = try await storage.account("bob@example.test")
            try await storage.deliver("Subject: a longer one\r\n\r\nbody\r\n", to: bob, flags: ["\\Deleted"])
            let inbox = try await storage.deliver(to: alice, flags: ["\\Deleted"])
            try await storage.deliver("Subject: y\r\n\r\nlonger body\r\n", to: alice, flags: ["\\Deleted"])
            try await storage.deliver(to: alice)
            try await storage.deliver(to: alice, mailbox: "Trash", flags: ["\\Deleted"])
            let sizes = try await storage.view(alice, "INBOX").entries.map { Int64($0.size) }
            func list(_ asks: Bool) async throws -> [String: Int64] {
                let reply = try await storage.mailStore.listMailboxes(
                    ListMailboxesRequest.with {
                        $0.accountID = alice
                        $0.deletedOctets = asks
                    }, CallContext())
                return Dictionary(uniqueKeysWithValues: reply.mailboxes.map { ($0.name, $0.deletedOctets) })
            }
            #expect(
                try await list(true).filter { $0.value > 0 } == ["INBOX": sizes[0] + sizes[1], "Trash": sizes[2]])
            #expect(try await list(false).allSatisfy { $0.value == 0 })
            func status() async throws -> Int64? {
                let request = ViewRequest.with {
                    $0.accountID = alice
                    $0.mailboxName = "inbox"
                    $0.changedSince = UInt64(Int64.max)
                    $0.deletedOctets = true
                }
                for try await (item, _) in try await storage.mailStore.view(request, CallContext()) {
                    return item.mailbox.deletedOctets
                }
                return nil
            }
            #expect(try await status() == sizes[0] + sizes[1])
            _ = try await storage.expunge(alice, inbox.mailboxID)
            #expect(try await status() == 0)
        }
    }
}
