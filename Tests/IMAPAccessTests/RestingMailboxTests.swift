import Contracts
import IMAPSyntax
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// Mailboxes that nobody has selected any more are kept for a while: only what changed is asked for.
@Suite struct RestingMailboxTests {
    private func registry(_ store: MemoryStore, limit: Int) -> MailboxRegistry {
        MailboxRegistry(store: store, timeout: .seconds(30), events: nil, restingLimit: limit)
    }

    private func open(
        _ name: MailboxName, _ registry: MailboxRegistry
    ) async throws -> (MailboxMembership, MailboxSnapshot) {
        try await registry.open(
            name, accountID: MemoryStore.accountID, context: CallContext(timeout: .seconds(30)), changed: {})
    }

    @Test("Who opens it next asks for what has changed")
    func opensAgain() async throws {
        let store = MemoryStore()
        let registry = registry(store, limit: 1000)
        store.deliver(Fixtures.short)
        let (first, _) = try await open("INBOX", registry)
        #expect(store.state.withLock { $0.lastChangedSince } == 0)
        registry.leave(first)
        #expect(registry.counts == (0, 0) && registry.resting == 1)
        store.deliver(Fixtures.plain)
        let (second, snapshot) = try await open("INBOX", registry)
        #expect(snapshot.columns.uids == [1, 2])
        #expect(store.state.withLock { $0.lastChangedSince } == 2)
        #expect(registry.counts.mailboxes == 1 && registry.resting == 0)
        registry.leave(second)
    }

    @Test("One that was deleted meanwhile is not taken for the new one of its name")
    func deletedMeanwhile() async throws {
        let store = MemoryStore()
        let registry = registry(store, limit: 1000)
        store.deliver(Fixtures.short, to: "Trash")
        let (first, before) = try await open("Trash", registry)
        registry.leave(first)
        let context = CallContext(timeout: .seconds(30))
        var delete = DeleteMailboxRequest()
        delete.name = "Trash"
        _ = try await store.deleteMailbox(delete, context)
        var create = CreateMailboxRequest()
        create.name = "Trash"
        _ = try await store.createMailbox(create, context)
        let (second, after) = try await open("Trash", registry)
        #expect(after.columns.count == 0)
        #expect(after.columns.mailbox.uidValidity != before.columns.mailbox.uidValidity)
        registry.leave(second)
        #expect(registry.resting == 1)
    }

    @Test("Those left longest ago make room")
    func limit() async throws {
        let store = MemoryStore()
        // Room for two, each of few messages.
        let registry = registry(store, limit: 140)
        for name in ["INBOX", "Sent", "Trash"] as [MailboxName] {
            let (membership, _) = try await open(name, registry)
            registry.leave(membership)
        }
        #expect(registry.resting == 1)
        _ = try await open("Trash", registry)
        #expect(store.state.withLock { $0.lastChangedSince } > 0, "the last one is still there")
        let none = self.registry(store, limit: 0)
        let (membership, _) = try await open("INBOX", none)
        none.leave(membership)
        #expect(none.resting == 0)
    }
}
