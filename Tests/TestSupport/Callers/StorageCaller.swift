import Contracts
import Messaging
import NIOCore
import ServiceRuntime

/// What tests ask of storage through its contracts, whether it runs in the test or as a process.
package protocol StorageCaller: Sendable {
    var directory: any Directory { get }
    var delivery: any Delivery { get }
    var mailStore: any MailStore { get }
}

extension StorageCaller {
    /// An account of this address, whose domain is made when it is missing.
    @discardableResult
    package func account(_ address: String, octets: Int64 = 0, messages: Int64 = 0) async throws -> Int64 {
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
    package func commit(
        _ text: String, _ dispositions: [Disposition], transaction: TransactionID = .next(),
        connection: TransactionID? = nil, received: Moment? = nil, began: Moment? = nil, ordinal: UInt32 = 1,
        denied: [TransactionID] = [], prefix: String = "Trace: 1\r\n", timeout: Duration = .seconds(20),
        entrance: Entrance = .relay
    ) async throws -> [CommitReply.Result] {
        let (header, body) = split(text)
        var request = CommitRequest()
        request.dispositions = dispositions
        request.origin.entrance = entrance
        request.origin.clientAddress = "192.0.2.1"
        request.origin.reversePath = "sender@client.example"
        if let moment = received ?? began {
            request.origin.machine = moment.machine
            request.origin.receivedAt = (received ?? moment).wallClock
            request.origin.receivedUptime = (received ?? moment).uptime
            request.origin.beganAt = (began ?? moment).wallClock
            request.origin.beganUptime = (began ?? moment).uptime
        }
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

    /// A commit of several messages of these texts, and its payload.
    package func together(
        _ messages: [(text: String, dispositions: [Disposition])]
    ) -> (request: CommitRequest, payload: [ByteBuffer]) {
        var request = CommitRequest()
        request.origin.entrance = .append
        request.origin.clientAddress = "192.0.2.1"
        var payload: [ByteBuffer] = []
        for message in messages {
            let (header, body) = split(message.text)
            request.messages.append(
                .with {
                    $0.content.headerOctets = Int64(header.utf8.count)
                    $0.content.bodyOctets = Int64(body.utf8.count)
                    $0.content.envelope = .init("(envelope)".utf8)
                    $0.content.bodyStructure = .init("(structure)".utf8)
                    $0.content.body = .init("(summary)".utf8)
                    $0.content.mimeIndex = .init([1, 2, 3])
                    $0.dispositions = message.dispositions
                })
            payload += ["", header, body].map { ByteBuffer(string: $0) }
        }
        return (request, payload)
    }

    /// Commits several messages of these texts, all or none.
    @discardableResult
    package func commitTogether(
        _ messages: [(String, [Disposition])], transaction: TransactionID = .next(), connection: TransactionID? = nil,
        ordinal: UInt32 = 1, timeout: Duration = .seconds(20)
    ) async throws -> [CommitReply.Result] {
        var (request, payload) = together(messages.map { (text: $0.0, dispositions: $0.1) })
        request.origin.ordinal = ordinal
        if let connection { request.origin.connectionID = .init(connection.octets) }
        return try await delivery.commit(
            request, payload: payload, CallContext(transaction: transaction, timeout: timeout)
        ).results
    }

    /// Delivers a message to one mailbox.
    @discardableResult
    package func deliver(
        _ text: String = "Subject: x\r\n\r\nbody\r\n", to accountID: Int64, mailbox: String = "INBOX",
        flags: [String] = []
    ) async throws -> CommitReply.Result {
        let results = try await commit(text, [.store(accountID, mailbox, flags: flags)])
        guard let result = results.first else { throw TestFailure("storage answered nothing") }
        return result
    }

    package func split(_ text: String) -> (String, String) {
        guard let range = text.firstRange(of: "\r\n\r\n") else { return (text, "") }
        return (String(text[..<range.upperBound]), String(text[range.upperBound...]))
    }

    package func mailbox(_ accountID: Int64, _ name: String) async throws -> Mailbox? {
        try await mailboxes(accountID).first { $0.name == name }
    }

    package func mailboxes(_ accountID: Int64) async throws -> [Mailbox] {
        try await mailStore.listMailboxes(
            ListMailboxesRequest.with { $0.accountID = accountID }, CallContext()
        ).mailboxes
    }

    /// The view of a mailbox as rows.
    package func view(_ accountID: Int64, _ name: String, since: UInt64 = 0) async throws -> View {
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
    package func octets(
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

/// A mailbox as its columns show it.
package struct View: Equatable {
    package struct Entry: Equatable {
        package var uid: UInt32
        package var flags: UInt64
        package var modseq: UInt64
        package var date: Int64
        package var size: UInt32
    }

    package var mailbox: Mailbox?
    package var outcome = MailboxOutcome.unspecified
    package var entries: [Entry] = []
    package var vanished: [UInt32] = []

    fileprivate mutating func append(_ item: ViewItem, _ payload: [ByteBuffer]) throws {
        guard item.count > 0 else { return }
        guard payload.count == 5 else { throw MessagingError(.malformed, "\(payload.count) columns") }
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
        guard columns.allSatisfy({ $0.readableBytes == 0 }) else {
            throw MessagingError(.malformed, "a column is too long")
        }
    }
}

extension Disposition {
    package static func store(
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

    package static func enqueue(_ forwardPath: String) -> Disposition {
        Disposition.with {
            $0.enqueue.reversePath = "alice@example.test"
            $0.enqueue.forwardPath = forwardPath
        }
    }
}
