import Contracts
import Database
import NIOCore

/// Statements on annotations, for accounts that are locked.
enum MetadataRows {
    private static let entries = Statement(
        """
        SELECT entry, octet_length(value)::bigint FROM mail.metadata WHERE account_id = $1 AND mailbox_id = $2
        """)
    private static let sum = Statement(
        """
        SELECT coalesce(sum(octet_length(entry) + octet_length(value) + \(MetadataLimits.rowOctets)), 0)::bigint
        FROM mail.metadata WHERE account_id = $1
        """)
    private static let remove = Statement(
        "DELETE FROM mail.metadata WHERE account_id = $1 AND mailbox_id = $2 AND entry = ANY ($3::text[])")
    private static let put = Statement(
        """
        INSERT INTO mail.metadata (account_id, mailbox_id, entry, value)
        SELECT $1, $2, n.entry, n.value FROM unnest($3::text[], $4::bytea[]) AS n (entry, value)
        ON CONFLICT (account_id, mailbox_id, entry) DO UPDATE SET value = excluded.value
        """)
    /// All that is noted of a mailbox.
    static let forget = Statement("DELETE FROM mail.metadata WHERE account_id = $1 AND mailbox_id = $2")
    private static let copyAll = Statement(
        """
        INSERT INTO mail.metadata (account_id, mailbox_id, entry, value)
        SELECT account_id, $3, entry, value FROM mail.metadata WHERE account_id = $1 AND mailbox_id = $2
        """)

    /// Sets and removes entries of a mailbox, or of the account itself for 0. False, and nothing is changed, when they
    /// would be more than the limits allow; what makes it fewer is always done.
    static func change(
        _ accountID: Int64, _ mailboxID: Int64, _ changes: [AnnotationChange],
        on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        var sizes: [String: Int] = [:]
        for (entry, size) in try connection.run(entries(accountID, mailboxID)).decode(String.self, Int.self) {
            sizes[entry] = size
        }
        let before = (count: sizes.count, octets: octets(of: sizes))
        for change in changes { sizes[change.entry] = change.hasValue ? change.value.count : nil }
        let added = octets(of: sizes) - before.octets
        if sizes.count > max(before.count, MetadataLimits.entries) { return false }
        if added > 0, try total(accountID, on: connection) + added > MetadataLimits.accountOctets { return false }
        let (set, removed) = (changes.filter(\.hasValue), changes.filter { !$0.hasValue })
        try connection.run([
            remove(accountID, mailboxID, removed.map(\.entry)),
            put(accountID, mailboxID, set.map(\.entry), set.map { ByteBuffer(bytes: $0.value) }),
        ])
        return true
    }

    /// Notes of one mailbox what is noted of another. False, and nothing is changed, when there is no room for it.
    static func copy(
        _ accountID: Int64, from mailboxID: Int64, to targetID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Bool {
        var sizes: [String: Int] = [:]
        for (entry, size) in try connection.run(entries(accountID, mailboxID)).decode(String.self, Int.self) {
            sizes[entry] = size
        }
        guard !sizes.isEmpty else { return true }
        guard try total(accountID, on: connection) + octets(of: sizes) <= MetadataLimits.accountOctets else {
            return false
        }
        try connection.run(copyAll(accountID, mailboxID, targetID))
        return true
    }

    private static func total(
        _ accountID: Int64, on connection: isolated DatabaseConnection
    ) throws(DatabaseError) -> Int {
        try connection.run(sum(accountID)).first?.decode(0, as: Int.self) ?? 0
    }

    private static func octets(of sizes: [String: Int]) -> Int {
        sizes.reduce(0) { $0 + $1.key.utf8.count + $1.value + MetadataLimits.rowOctets }
    }
}

extension SetMetadataReply {
    init(_ outcome: MetadataOutcome) {
        self.init()
        self.outcome = outcome
        octetsLimit = Int64(MetadataLimits.valueOctets)
    }
}
