import Contracts
import Database
import Messaging
import NIOCore
import SwiftProtobuf

/// Makes a call that is sent again take effect once: the reply is kept with the call's key in the same transaction, and
/// a repetition finds it there.
struct CallReceipt: Sendable {
    let accountID: Int64
    let key: DatabaseUUID?

    init(accountID: Int64, _ context: CallContext) {
        self.accountID = accountID
        key = context.idempotencyKey.flatMap { DatabaseUUID(octets: $0.octets) }
    }

    private static let find = Statement(
        "SELECT reply FROM mail.call_receipts WHERE account_id = $1 AND idempotency_key = $2")
    private static let add = Statement(
        "INSERT INTO mail.call_receipts (account_id, idempotency_key, reply) VALUES ($1, $2, $3)")

    /// The reply that an earlier call with this key got.
    func earlierReply<Reply: Message>(
        _ type: Reply.Type, on connection: isolated DatabaseConnection
    ) throws -> Reply? {
        guard let key, let row = try connection.run(Self.find(accountID, key)).first else { return nil }
        let octets = try row.decode(0, as: ByteBuffer.self)
        return try Reply(serializedBytes: Array(octets.readableBytesView))
    }

    func remember(_ reply: some Message, on connection: isolated DatabaseConnection) throws {
        guard let key else { return }
        let octets: [UInt8] = try reply.serializedBytes()
        try connection.run(Self.add(accountID, key, ByteBuffer(bytes: octets)))
    }
}
