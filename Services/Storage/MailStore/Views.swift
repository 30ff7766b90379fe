import Contracts
import Database
import Messaging
import NIOCore

extension MailStoreService {
    /// Messages of one item of a view.
    static let viewPortion = 16_384

    private static let rows = StreamedStatement(
        """
        SELECT uid, flags, modseq, internal_date, size FROM mail.messages
        WHERE account_id = $1 AND mailbox_id = $2 ORDER BY uid
        """, portion: viewPortion)
    private static let changedRows = StreamedStatement(
        """
        SELECT m.uid, m.flags, m.modseq, m.internal_date, m.size
        FROM \(UIDRanges.messages("uid, flags, modseq, internal_date, size"))
        WHERE m.modseq > $5 ORDER BY m.uid
        """, portion: viewPortion)
    private static let vanished = Statement(
        """
        SELECT first_uid, last_uid FROM mail.expunged
        WHERE account_id = $1 AND mailbox_id = $2 AND modseq > $3 ORDER BY first_uid
        """)

    func view(_ request: ViewRequest, _ context: CallContext) async throws -> ReplyStream<ViewItem> {
        let pool = pool
        // A caller that knows the newest change, or asks for counters only, is answered from the mailbox's row.
        if request.changedSince > 0 {
            let rows = try await answering { try await pool.run(Self.find(request), deadline: context.deadline) }
            guard let row = rows.first else { return ReplyStream(ViewItem(.noSuchMailbox)) }
            var mailbox = try MailboxRows.decode(row)
            guard mailbox.selectable else { return ReplyStream(ViewItem(.noSuchMailbox)) }
            if mailbox.highestModseq <= request.changedSince {
                if request.deletedOctets, mailbox.deletedCount > 0 {
                    let octets = try await answering {
                        try await deletedOctets(of: request.accountID, mailboxID: mailbox.mailboxID, context)
                    }
                    mailbox.deletedOctets = octets[mailbox.mailboxID] ?? 0
                }
                return ReplyStream(ViewItem(.done, mailbox), payload: ViewColumns(capacity: 0).frames)
            }
        }
        return ReplyStream(writing: { writer in
            try await answering {
                try await pool.withConnection(deadline: context.deadline) { connection in
                    try await connection.transaction(.snapshot) { connection in
                        try await Self.write(request, to: writer, on: connection)
                    }
                }
            }
        })
    }

    private static func find(_ request: ViewRequest) -> Command {
        switch request.which {
        case .mailboxName(let name): MailboxRows.byName(request.accountID, MailboxName.canonical(name))
        case .mailboxID(let mailboxID): MailboxRows.byID(request.accountID, mailboxID)
        case nil: MailboxRows.byName(request.accountID, MailboxName.inbox)
        }
    }

    private static func write(
        _ request: ViewRequest, to writer: ReplyWriter<ViewItem>, on connection: isolated DatabaseConnection
    ) async throws {
        guard let row = try connection.run(find(request)).first else {
            return try await writer.send(ViewItem(.noSuchMailbox))
        }
        let mailbox = try MailboxRows.decode(row)
        guard mailbox.selectable else { return try await writer.send(ViewItem(.noSuchMailbox)) }
        var first = ViewItem(.done, mailbox)
        let since = Int64(clamping: request.changedSince)
        let stream: RowStream
        if since > 0 {
            for row in try connection.run(vanished(request.accountID, mailbox.mailboxID, since)) {
                let (firstUID, lastUID) = try row.decode(Int64.self, Int64.self)
                first.vanished += [UInt32(clamping: firstUID), UInt32(clamping: lastUID)]
            }
            if request.vanishedOnly { return try await writer.send(first, payload: ViewColumns(capacity: 0).frames) }
            let ranges =
                try FlagChangeLog.ranges(request.accountID, mailbox.mailboxID, since: since, on: connection) ?? .all
            stream = try connection.stream(
                changedRows, request.accountID, mailbox.mailboxID, ranges.firsts, ranges.lasts, since)
        } else {
            stream = try connection.stream(rows, request.accountID, mailbox.mailboxID)
        }
        var portions = stream.makeAsyncIterator()
        var item = first
        repeat {
            let portion = try await portions.next()
            var columns = ViewColumns(capacity: portion?.count ?? 0)
            for row in portion.map(Array.init) ?? [] { try columns.append(row) }
            item.count = UInt32(clamping: portion?.count ?? 0)
            if item.count > 0 || item.hasMailbox { try await writer.send(item, payload: columns.frames) }
            item = ViewItem(.done)
            if portion == nil { return }
        } while true
    }
}

/// The columns of a view, little endian, as the contract lays them out.
struct ViewColumns {
    private var uids: ByteBuffer
    private var flags: ByteBuffer
    private var modseqs: ByteBuffer
    private var dates: ByteBuffer
    private var sizes: ByteBuffer

    init(capacity: Int) {
        let allocator = ByteBufferAllocator()
        uids = allocator.buffer(capacity: capacity * 4)
        flags = allocator.buffer(capacity: capacity * 8)
        modseqs = allocator.buffer(capacity: capacity * 8)
        dates = allocator.buffer(capacity: capacity * 8)
        sizes = allocator.buffer(capacity: capacity * 4)
    }

    mutating func append(_ row: Row) throws(DatabaseError) {
        let (uid, flags, modseq, date, size) = try row.decode(
            Int64.self, Int64.self, Int64.self, Timestamp.self, Int64.self)
        uids.writeInteger(UInt32(clamping: uid), endianness: .little)
        self.flags.writeInteger(UInt64(bitPattern: flags), endianness: .little)
        modseqs.writeInteger(UInt64(clamping: modseq), endianness: .little)
        dates.writeInteger(date.microseconds, endianness: .little)
        sizes.writeInteger(UInt32(clamping: size), endianness: .little)
    }

    var frames: [ByteBuffer] { [uids, flags, modseqs, dates, sizes] }
}

extension ViewItem {
    init(_ outcome: MailboxOutcome, _ mailbox: Mailbox? = nil) {
        self.init()
        self.outcome = outcome
        if let mailbox { self.mailbox = mailbox }
    }
}
