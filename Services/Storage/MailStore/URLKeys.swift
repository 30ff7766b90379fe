import Contracts
import Cryptography
import Database
import Messaging
import NIOCore

/// The keys that URLs are authorized with (RFC 4467, 2.2).
///
/// They are random, one for each account and mailbox, and stand in a table of their own: to derive them from a secret of
/// the server, a number for each mailbox would have to be kept all the same, so that one can be replaced without the others,
/// and the secret besides.
enum URLKeyRows {
    static let find = Statement(
        """
        SELECT k.key FROM mail.url_keys k JOIN mail.mailboxes m USING (account_id, mailbox_id)
        WHERE account_id = $1 AND m.name = $2 AND m.selectable
        """)
    /// Leaves a key alone that is there.
    static let add = Statement(
        """
        INSERT INTO mail.url_keys (account_id, mailbox_id, key)
        SELECT account_id, mailbox_id, $3 FROM mail.mailboxes WHERE account_id = $1 AND name = $2 AND selectable
        ON CONFLICT (account_id, mailbox_id) DO NOTHING
        """)
    static let ofOwner = Statement(
        """
        SELECT m.account_id, m.mailbox_id, m.uid_validity, k.key
        FROM directory.accounts a
        JOIN mail.mailboxes m ON m.account_id = a.account_id
        JOIN mail.url_keys k ON k.account_id = m.account_id AND k.mailbox_id = m.mailbox_id
        WHERE a.address = $1 AND NOT a.disabled AND m.name = $2 AND m.selectable
        """)
    static let put = Statement(
        """
        INSERT INTO mail.url_keys (account_id, mailbox_id, key) VALUES ($1, $2, $3)
        ON CONFLICT (account_id, mailbox_id) DO UPDATE SET key = excluded.key
        """)
    static let forget = Statement("DELETE FROM mail.url_keys WHERE account_id = $1 AND mailbox_id = $2")
    static let forgetAll = Statement("DELETE FROM mail.url_keys WHERE account_id = $1")

    /// A key that nobody can foresee.
    static func fresh() -> ByteBuffer { ByteBuffer(bytes: SecureRandom.octets(32)) }
}

extension MailStoreService {
    /// How a token is made stands in its first octet, so that another way can come beside it (RFC 4467, 2.4.1).
    private static func token(_ rump: some Sequence<UInt8>, key: ByteBuffer) -> [UInt8] {
        [1] + HMACSHA256.authenticate(Array(rump), key: Array(key.readableBytesView))
    }

    func authorizeURL(_ request: AuthorizeURLRequest, _ context: CallContext) async throws -> AuthorizeURLReply {
        try await answering {
            var reply = AuthorizeURLReply()
            let name = MailboxName.canonical(request.mailboxName)
            let find = URLKeyRows.find(request.accountID, name)
            var row = try await pool.run(find, deadline: context.deadline).first
            if row == nil {
                _ = try await pool.run(
                    URLKeyRows.add(request.accountID, name, URLKeyRows.fresh()), deadline: context.deadline)
                row = try await pool.run(find, deadline: context.deadline).first
            }
            guard let key = try row?.decode(0, as: ByteBuffer.self) else {
                reply.outcome = .noSuchMailbox
                return reply
            }
            reply.outcome = .done
            reply.token = .init(Self.token(request.rump, key: key))
            return reply
        }
    }

    /// What is wrong shows in nothing, not even in the time (RFC 4467, 6).
    func checkURL(_ request: CheckURLRequest, _ context: CallContext) async throws -> CheckURLReply {
        try await answering {
            let owner = Address(request.owner)?.text ?? ""
            let name = MailboxName.canonical(request.mailboxName)
            let row = try await pool.run(URLKeyRows.ofOwner(owner, name), deadline: context.deadline).first
            let found = try row?.decode(Int64.self, Int64.self, Int64.self, ByteBuffer.self)
            let token = Self.token(request.rump, key: found?.3 ?? URLKeyRows.fresh())
            var reply = CheckURLReply()
            guard constantTimeEqual(token, Array(request.token)), let found else { return reply }
            reply.valid = true
            reply.accountID = found.0
            reply.mailboxID = found.1
            reply.uidValidity = UInt32(clamping: found.2)
            return reply
        }
    }

    func resetURLKeys(_ request: ResetURLKeysRequest, _ context: CallContext) async throws -> ResetURLKeysReply {
        try await change(request.accountID, context) { connection, _ in
            var reply = ResetURLKeysReply()
            reply.outcome = .done
            if request.mailboxName.isEmpty {
                try connection.run(URLKeyRows.forgetAll(request.accountID))
                return (reply, [Change(urlKey: true)])
            }
            let name = MailboxName.canonical(request.mailboxName)
            guard let mailbox = try MailboxHierarchy.find(request.accountID, name, on: connection), mailbox.selectable
            else {
                reply.outcome = .noSuchMailbox
                return (reply, [])
            }
            try connection.run(URLKeyRows.put(request.accountID, mailbox.mailboxID, URLKeyRows.fresh()))
            var change = Change(mailbox, hierarchy: false)
            change.urlKey = true
            return (reply, [change])
        }
    }
}
