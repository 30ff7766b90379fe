import Contracts
import Cryptography
import Database
import Logging
import Messaging
import NIOCore
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import Storage

/// The whole of storage on a database of its own, behind its contracts, without a process around it.
struct StorageFixture: Sendable {
    let database: PostgreSQLDatabase
    let engine: StorageEngine
    let changes = Changes()

    var directory: any Directory { engine.directory }
    var delivery: any Delivery { engine.delivery }
    var mailStore: any MailStore { engine.mailStore }

    /// What was announced so far.
    final class Changes: Sendable {
        private let all = Mutex<[MailboxChanged]>([])
        func append(_ change: MailboxChanged) { all.withLock { $0.append(change) } }
        func take() -> [MailboxChanged] {
            all.withLock { changes in
                defer { changes = [] }
                return changes
            }
        }
    }

    init(database: PostgreSQLDatabase, adjust: (inout StorageEngine.Options) -> Void = { _ in }) {
        self.database = database
        var options = StorageEngine.Options(connectionString: database.connectionString())
        options.readers = 4
        adjust(&options)
        let changes = changes
        engine = StorageEngine(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
            changes.append($0)
        }
    }

    /// An account of this address, whose domain is made when it is missing.
    @discardableResult
    func account(_ address: String, octets: Int64 = 0, messages: Int64 = 0) async throws -> Int64 {
        _ = try await directory.addDomain(
            AddDomainRequest.with { $0.name = String(address.drop { $0 != "@" }.dropFirst()) }, CallContext())
        return try await directory.addAccount(
            AddAccountRequest.with {
                $0.address = address
                $0.quota.storageOctets = octets
                $0.quota.messageCount = messages
            }, CallContext()
        ).account.accountID
    }

    /// Commits a message of this text.
    @discardableResult
    func commit(
        _ text: String, _ dispositions: [Disposition], transaction: TransactionID = .next(),
        connection: TransactionID? = nil, receivedAt: Int64 = WallClock.microseconds, beganAt: Int64? = nil,
        ordinal: UInt32 = 1, denied: [TransactionID] = [], prefix: String = "Trace: 1\r\n",
        timeout: Duration = .seconds(20)
    ) async throws -> [CommitReply.Result] {
        let (header, body) = split(text)
        var request = CommitRequest()
        request.dispositions = dispositions
        request.origin.entrance = .relay
        request.origin.clientAddress = "192.0.2.1"
        request.origin.reversePath = "sender@client.example"
        request.origin.receivedAt = receivedAt
        request.origin.beganAt = beganAt ?? receivedAt
        request.origin.ordinal = ordinal
        request.origin.denied = denied.map { .init($0.octets) }
        if let connection { request.origin.connectionID = .init(connection.octets) }
        request.content.messageID = "<message@client.example>"
        request.content.headerOctets = Int64(header.utf8.count)
        request.content.bodyOctets = Int64(body.utf8.count)
        request.content.envelope = .init("(envelope of \(header.utf8.count))".utf8)
        request.content.bodyStructure = .init("(structure)".utf8)
        request.content.body = .init("(summary)".utf8)
        request.content.mimeIndex = .init([1, 2, 3])
        let payload = [prefix, header, body].map { ByteBuffer(string: $0) }
        return try await delivery.commit(
            request, payload: payload, CallContext(transaction: transaction, timeout: timeout)
        ).results
    }

    /// Delivers a message to one mailbox.
    @discardableResult
    func deliver(
        _ text: String = "Subject: x\r\n\r\nbody\r\n", to accountID: Int64, mailbox: String = "INBOX",
        flags: [String] = []
    ) async throws -> CommitReply.Result {
        let results = try await commit(text, [.store(accountID, mailbox, flags: flags)])
        return try #require(results.first)
    }

    func split(_ text: String) -> (String, String) {
        guard let range = text.firstRange(of: "\r\n\r\n") else { return (text, "") }
        return (String(text[..<range.upperBound]), String(text[range.upperBound...]))
    }

    func mailbox(_ accountID: Int64, _ name: String) async throws -> Mailbox? {
        try await mailboxes(accountID).first { $0.name == name }
    }

    func mailboxes(_ accountID: Int64) async throws -> [Mailbox] {
        try await mailStore.listMailboxes(
            ListMailboxesRequest.with { $0.accountID = accountID }, CallContext()
        ).mailboxes
    }

    /// The view of a mailbox as rows.
    func view(_ accountID: Int64, _ name: String, since: UInt64 = 0) async throws -> View {
        var view = View()
        let request = ViewRequest.with {
            $0.accountID = accountID
            $0.mailboxName = name
            $0.changedSince = since
        }
        for try await (item, payload) in try await mailStore.view(request, CallContext()) {
            if item.hasMailbox { view.mailbox = item.mailbox }
            view.outcome = item.outcome
            view.vanished += item.vanished
            try view.append(item, payload)
        }
        return view
    }

    /// The octets of a stored message, or of a part of it; nil when it is gone.
    func octets(
        _ accountID: Int64, _ mailboxID: Int64, _ uid: UInt32, offset: Int64 = 0, length: Int64 = 0
    ) async throws -> [UInt8]? {
        let request = FetchOctetsRequest.with {
            $0.accountID = accountID
            $0.mailboxID = mailboxID
            $0.uid = uid
            $0.offset = offset
            $0.length = length
        }
        var octets: [UInt8] = []
        for try await (item, payload) in try await mailStore.fetchOctets(request, CallContext(timeout: .seconds(30))) {
            guard item.found else { return nil }
            for frame in payload { octets += frame.readableBytesView }
        }
        return octets
    }
}

struct View: Equatable {
    struct Entry: Equatable {
        var uid: UInt32
        var flags: UInt64
        var modseq: UInt64
        var date: Int64
        var size: UInt32
    }

    var mailbox: Mailbox?
    var outcome = MailboxOutcome.unspecified
    var entries: [Entry] = []
    var vanished: [UInt32] = []

    mutating func append(_ item: ViewItem, _ payload: [ByteBuffer]) throws {
        guard item.count > 0 else { return }
        #expect(payload.count == 5)
        var columns = payload
        for _ in 0..<item.count {
            guard let uid = columns[0].readInteger(endianness: .little, as: UInt32.self),
                let flags = columns[1].readInteger(endianness: .little, as: UInt64.self),
                let modseq = columns[2].readInteger(endianness: .little, as: UInt64.self),
                let date = columns[3].readInteger(endianness: .little, as: Int64.self),
                let size = columns[4].readInteger(endianness: .little, as: UInt32.self)
            else { throw MessagingError(.malformed, "a column is too short") }
            entries.append(Entry(uid: uid, flags: flags, modseq: modseq, date: date, size: size))
        }
        #expect(columns.allSatisfy { $0.readableBytes == 0 })
    }
}

extension Disposition {
    static func store(
        _ accountID: Int64, _ mailbox: String = "INBOX", flags: [String] = [], fallsBack: Bool = false,
        date: Int64 = 1_700_000_000_000_000
    ) -> Disposition {
        Disposition.with {
            $0.store.accountID = accountID
            $0.store.mailboxName = mailbox
            $0.store.flags = flags
            $0.store.internalDate = date
            $0.store.fallBackToInbox = fallsBack
        }
    }

    /// The same with fingerprints of these names: what a repetition by another connection is known by.
    func known(as names: String...) -> Disposition {
        var disposition = self
        disposition.fingerprints = names.map { .init(SHA256.hash(Array($0.utf8))) }
        disposition.forwardPath = names.first ?? ""
        return disposition
    }

    static func enqueue(_ forwardPath: String) -> Disposition {
        Disposition.with {
            $0.enqueue.reversePath = "alice@example.test"
            $0.enqueue.forwardPath = forwardPath
        }
    }
}

/// Runs `body` with a storage of its own; `adjust` changes its options.
func withStorage(
    _ database: PostgreSQLDatabase? = nil, adjust: (inout StorageEngine.Options) -> Void = { _ in },
    _ body: (StorageFixture) async throws -> Void
) async throws {
    let chosen: PostgreSQLDatabase
    if let database { chosen = database } else { chosen = try await PostgreSQLDatabase.fresh() }
    let fixture = StorageFixture(database: chosen, adjust: adjust)
    let running = Task { await fixture.engine.run() }
    do {
        try await fixture.engine.prepareSchema(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await body(fixture)
    } catch {
        fixture.engine.close()
        await running.value
        throw error
    }
    fixture.engine.close()
    await running.value
}

/// A small generator with a seed, so that a failure can be seen again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
