import Contracts
import Database
import Messaging
import NIOCore

/// How much users may note (RFC 5464, 4.1 wants room for ten entries of 1024 octets at least).
enum MetadataLimits {
    /// Octets of one value.
    static let valueOctets = 32 * 1024
    /// Entries of one mailbox, or of the account itself.
    static let entries = 100
    /// Octets of a name.
    static let nameOctets = 255
    /// Octets of all that an account has noted: names, values, and `rowOctets` for each.
    static let accountOctets = 4 * 1024 * 1024
    static let rowOctets = 256
}

extension MailStoreService {
    /// The special use of a mailbox is seen here as well, and kept with the mailbox (RFC 6154, 4).
    private static let specialUse = "/private/specialuse"

    private static let ofOne = Statement(
        """
        SELECT a.mailbox_id, a.entry, a.value
        FROM (
            SELECT mailbox_id, entry, value FROM mail.metadata WHERE account_id = $1 AND mailbox_id = $2
            UNION ALL
            SELECT mailbox_id, '\(specialUse)', convert_to(special_use, 'UTF8') FROM mail.mailboxes
            WHERE account_id = $1 AND mailbox_id = $2 AND special_use <> ''
        ) a
        WHERE EXISTS (
            SELECT FROM unnest($3::text[]) AS w (entry)
            WHERE a.entry = w.entry
                OR $4::integer <> 0 AND starts_with(a.entry, w.entry || '/')
                    AND ($4::integer < 0 OR position('/' IN substr(a.entry, length(w.entry) + 2)) = 0))
        ORDER BY a.entry
        """)
    private static let ofAll = Statement(
        """
        SELECT mailbox_id, entry, value FROM mail.metadata
        WHERE account_id = $1 AND mailbox_id > 0 AND entry = ANY ($2::text[])
        UNION ALL
        SELECT mailbox_id, '\(specialUse)', convert_to(special_use, 'UTF8') FROM mail.mailboxes
        WHERE account_id = $1 AND special_use <> '' AND '\(specialUse)' = ANY ($2::text[])
        ORDER BY 1, 2
        """)

    func getMetadata(_ request: GetMetadataRequest, _ context: CallContext) async throws -> GetMetadataReply {
        try await answering {
            var reply = GetMetadataReply()
            let command: Command
            if request.allMailboxes {
                command = Self.ofAll(request.accountID, request.entries)
            } else {
                var mailboxID: Int64 = 0
                if !request.mailboxName.isEmpty {
                    let byName = MailboxRows.byName(request.accountID, MailboxName.canonical(request.mailboxName))
                    guard let row = try await pool.run(byName, deadline: context.deadline).first else {
                        reply.outcome = .noSuchMailbox
                        return reply
                    }
                    mailboxID = try MailboxRows.decode(row).mailboxID
                }
                command = Self.ofOne(request.accountID, mailboxID, request.entries, request.depth)
            }
            for row in try await pool.run(command, deadline: context.deadline) {
                let (mailboxID, entry, value) = try row.decode(Int64.self, String.self, ByteBuffer.self)
                var annotation = Annotation()
                annotation.mailboxID = mailboxID
                annotation.entry = entry
                annotation.value = .init(value.readableBytesView)
                reply.annotations.append(annotation)
            }
            reply.outcome = .done
            return reply
        }
    }

    /// All changes or none (RFC 5464, 4.3).
    func setMetadata(_ request: SetMetadataRequest, _ context: CallContext) async throws -> SetMetadataReply {
        let changes = Dictionary(request.changes.map { ($0.entry, $0) }) { _, last in last }
        if let refusal = Self.refusal(of: changes.values) { return refusal }
        return try await change(request.accountID, context) { connection, _ in
            let accountID = request.accountID
            var changes = changes
            var mailbox: Mailbox?
            if !request.mailboxName.isEmpty {
                let name = MailboxName.canonical(request.mailboxName)
                mailbox = try MailboxHierarchy.find(accountID, name, on: connection)
                if mailbox == nil { return (SetMetadataReply(.noSuchMailbox), []) }
            }
            var use: String?
            if let mailbox, let change = changes.removeValue(forKey: Self.specialUse) {
                guard let known = MailboxHierarchy.special.first(where: { $0.use.utf8.elementsEqual(change.value) }),
                    try MailboxHierarchy.allows(use: known.use, of: mailbox, accountID, on: connection)
                else { return (SetMetadataReply(.notPermitted), []) }
                use = known.use
            }
            if !changes.isEmpty {
                let isDone = try MetadataRows.change(
                    accountID, mailbox?.mailboxID ?? 0, Array(changes.values), on: connection)
                guard isDone else { return (SetMetadataReply(.tooMany), []) }
            }
            var change = Change(mailbox, hierarchy: false)
            change.annotations = request.changes.map(\.entry)
            if let mailbox, let use, use != mailbox.specialUse {
                try MailboxHierarchy.set(use: use, of: mailbox, accountID, on: connection)
                change.hierarchy = true
            }
            return (SetMetadataReply(.done), [change])
        }
    }

    private static func refusal(of changes: some Sequence<AnnotationChange>) -> SetMetadataReply? {
        for change in changes {
            guard change.entry.utf8.count <= MetadataLimits.nameOctets, !change.entry.contains("\0") else {
                return SetMetadataReply(.notPermitted)
            }
            guard change.value.count <= MetadataLimits.valueOctets else { return SetMetadataReply(.valueTooLarge) }
        }
        return nil
    }
}
