import Contracts
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import IMAPAccess

/// News that comes while storage is being asked: none of it may be taken for known, or an idle session is deaf.
@Suite struct SharedMailboxTests {
    @Test("A change that is announced while storage answers is asked for again", .timeLimit(.minutes(1)))
    func newsDuringARefresh() async throws {
        let (store, mailbox) = try await HeldStore.withMailbox()
        _ = await mailbox.announce(.max)
        let gate = store.hold()
        async let refreshed = mailbox.current()
        try await eventually("storage to be asked") { gate.arrivals == 1 }
        store.memory.deliver(Fixtures.short)
        #expect(await mailbox.announce(store.modseq))
        store.release()
        let snapshot = try await refreshed
        #expect(snapshot.columns.count == 0)
        #expect(snapshot.revision != mailbox.revision.load(ordering: .acquiring), "the session would not ask again")
        let next = try await mailbox.current()
        #expect(next.columns.count == 1 && next.revision == mailbox.revision.load(ordering: .acquiring))
    }

    @Test(
        "Who comes while storage is asked about a change gets its answer, not what was known", .timeLimit(.minutes(1)))
    func companyDuringARefresh() async throws {
        let (store, mailbox) = try await HeldStore.withMailbox()
        store.memory.deliver(Fixtures.short)
        #expect(await mailbox.announce(store.modseq))
        let gate = store.hold()
        async let first = mailbox.current()
        try await eventually("storage to be asked") { gate.arrivals == 1 }
        let second = Task { try await mailbox.current() }
        for _ in 1...100 { await Task.yield() }
        store.release()
        #expect(try await first.columns.count == 1)
        #expect(try await second.value.columns.count == 1)
        #expect(gate.arrivals == 1, "one question serves both")
    }

    @Test("Who removes nothing, or changes no flags, does not take another's change for its own")
    func nothingDone() async throws {
        let (store, mailbox) = try await HeldStore.withMailbox()
        store.memory.deliver(Fixtures.short)
        #expect(await mailbox.apply(expunged: [], modseq: store.modseq) == nil)
        #expect(await mailbox.apply(flags: .with { $0.modseq = store.modseq }) == nil)
        #expect(try await mailbox.current().columns.count == 1)
    }

    @Test("CLOSE that removes nothing hides no message that has come meanwhile, whatever its mailbox is called later")
    func closing() async throws {
        try await TestServer.run { server in
            let client = try await server.login()
            for command in ["CREATE a", "SELECT a"] { try await client.ok(command) }
            let other = try await server.login()
            #expect(try await other.append("Subject: x\r\n\r\ntext\r\n", to: "a").last?.hasPrefix("t OK") == true)
            for command in ["CLOSE", "RENAME a b"] { try await client.ok(command) }
            #expect(try await client.ok("SELECT b").contains("* 1 EXISTS"))
            for client in [client, other] { await client.close() }
        }
    }

    @Test("That the mailbox itself was changed or deleted is news, though its modseq is known")
    func deletion() async throws {
        let store = MemoryStore()
        let registry = MailboxRegistry(store: store, timeout: .seconds(30), events: nil, restingLimit: 0)
        let calls = Atomic(0)
        let context = CallContext(timeout: .seconds(30))
        let (membership, snapshot) = try await registry.open(
            "Trash", accountID: MemoryStore.accountID, context: context,
            changed: { calls.add(1, ordering: .relaxed) })
        var event = MailboxChanged()
        event.accountID = MemoryStore.accountID
        event.mailboxID = snapshot.columns.mailbox.mailboxID
        event.highestModseq = snapshot.columns.mailbox.highestModseq
        await registry.announce(event)
        #expect(calls.load(ordering: .relaxed) == 0)
        var delete = DeleteMailboxRequest()
        delete.name = "Trash"
        _ = try await store.deleteMailbox(delete, context)
        event.hierarchy = true
        await registry.announce(event)
        #expect(calls.load(ordering: .relaxed) == 1)
        await #expect(throws: MailboxRefusal.self) { try await membership.mailbox.current() }
    }
}

/// A storage that may be held between having read the truth and telling it.
private final class HeldStore: MailStore {
    let memory = MemoryStore()
    private let gate = Mutex<Gate?>(nil)

    /// A store with a mailbox whose state is known.
    static func withMailbox() async throws -> (HeldStore, SharedMailbox) {
        let store = HeldStore()
        let mailbox = SharedMailbox(
            accountID: MemoryStore.accountID, mailboxID: 1, store: store, timeout: .seconds(30))
        _ = try await mailbox.refreshed()
        return (store, mailbox)
    }

    /// From now on answers wait.
    func hold() -> Gate {
        let gate = Gate()
        self.gate.withLock { $0 = gate }
        return gate
    }

    /// Answers go, those that wait and those to come.
    func release() {
        let held = gate.withLock { $0.take() }
        held?.open()
    }

    /// What the mailbox has come to.
    var modseq: UInt64 { memory.state.withLock { $0.mailboxes[0].modseq } }

    func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem> {
        let answer = try await memory.view(request, context)
        await gate.withLock { $0 }?.pass()
        return answer
    }
}
