import Contracts
import Database
import Messaging

/// The contract `Ledger`: reads what the commits wrote.
struct LedgerService: Ledger {
    let pool: ConnectionPool

    /// Most entries of one answer.
    static let limit = 10_000

    /// The transactions that match, the newest first as far as the limit goes, and all events of each. A repetition is
    /// part of the story of the transaction that it repeated, and the other way round.
    private static func story(of condition: String) -> Statement {
        Statement(
            """
            WITH matching AS (
                SELECT l.transaction_id, l.first_id FROM mail.ledger l WHERE \(condition) ORDER BY l.at DESC LIMIT $3
            ), named AS (
                SELECT transaction_id AS id FROM matching
                UNION SELECT first_id FROM matching WHERE first_id IS NOT NULL
                UNION SELECT l.transaction_id FROM mail.ledger l
                    WHERE l.event = 3 AND l.at >= $2 AND l.first_id IN (SELECT transaction_id FROM matching)
            )
            SELECT l.at, l.transaction_id, l.event, l.disposition, l.first_id, l.account_id, a.address, m.name, l.uid,
                l.outcome, l.octets, l.door, l.client, l.identity, l.reverse_path, l.forward_path, l.message_id
            FROM mail.ledger l
            LEFT JOIN directory.accounts a ON a.account_id = l.account_id
            LEFT JOIN mail.mailboxes m ON m.account_id = l.account_id AND m.mailbox_id = l.mailbox_id
            WHERE l.transaction_id IN (SELECT id FROM named)
            ORDER BY l.at, l.event, l.transaction_id, l.disposition
            LIMIT $3
            """)
    }

    private static let ofTransaction = story(of: "l.transaction_id = $1::uuid AND l.at >= $2")
    private static let ofMessage = story(of: "l.message_id = $1 AND l.at >= $2")
    private static let ofAddress = story(
        of: """
            l.at >= $2 AND (lower(l.reverse_path) = $1 OR lower(l.forward_path) = $1 OR lower(l.identity) = $1
                OR l.account_id = (SELECT account_id FROM directory.accounts WHERE address = $1))
            """)
    private static let ofAll = story(of: "$1::boolean AND l.at >= $2")

    func trace(_ request: TraceRequest, _ context: CallContext) async throws -> TraceReply {
        let since = Timestamp(microseconds: request.since)
        let limit = request.limit == 0 ? 1_000 : min(Int(request.limit), Self.limit)
        let command: Command
        if !request.transactionID.isEmpty {
            guard let id = DatabaseUUID(octets: request.transactionID) else {
                throw MessagingError(.malformed, "a transaction's id has 16 octets")
            }
            command = Self.ofTransaction(id, since, limit + 1)
        } else if !request.messageID.isEmpty {
            command = Self.ofMessage(Self.bracketed(request.messageID), since, limit + 1)
        } else if !request.address.isEmpty {
            command = Self.ofAddress(request.address.lowercased(), since, limit + 1)
        } else {
            command = Self.ofAll(true, since, limit + 1)
        }
        return try await answering {
            let rows = try await pool.run(command, deadline: context.deadline)
            var reply = TraceReply()
            reply.isCut = rows.count > limit
            reply.entries = try rows.prefix(limit).map(Self.entry)
            return reply
        }
    }

    /// As the header field has it (RFC 5322, 3.6.4).
    private static func bracketed(_ messageID: String) -> String {
        messageID.hasPrefix("<") ? messageID : "<\(messageID)>"
    }

    private static func entry(_ row: Row) throws -> LedgerEntry {
        let (at, transaction, event, disposition, first, accountID) = try row.decode(
            Timestamp.self, DatabaseUUID.self, Int.self, Int?.self, DatabaseUUID?.self, Int64?.self)
        var entry = LedgerEntry()
        entry.at = at.microseconds
        entry.transactionID = .init(transaction.octets)
        entry.event = LedgerEvent(rawValue: event) ?? .unspecified
        entry.disposition = UInt32(clamping: disposition ?? 0)
        if let first { entry.firstID = .init(first.octets) }
        entry.accountID = accountID ?? 0
        entry.account = try row.decode(6, as: String?.self) ?? ""
        entry.mailbox = try row.decode(7, as: String?.self) ?? ""
        entry.uid = try row.decode(8, as: Int64?.self) ?? 0
        entry.outcome = CommitOutcome(rawValue: try row.decode(9, as: Int?.self) ?? 0) ?? .unspecified
        entry.octets = try row.decode(10, as: Int64?.self) ?? 0
        entry.entrance = Entrance(rawValue: try row.decode(11, as: Int?.self) ?? 0) ?? .unspecified
        entry.clientAddress = try row.decode(12, as: String?.self) ?? ""
        entry.identity = try row.decode(13, as: String?.self) ?? ""
        entry.reversePath = try row.decode(14, as: String?.self) ?? ""
        entry.forwardPath = try row.decode(15, as: String?.self) ?? ""
        entry.messageID = try row.decode(16, as: String?.self) ?? ""
        return entry
    }
}
