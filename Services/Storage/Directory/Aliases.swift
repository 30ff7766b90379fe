import Contracts
import Database
import Messaging

extension DirectoryService {
    private static let add = Statement(
        """
        INSERT INTO directory.aliases (address, domain, target) SELECT $1, $2, unnest($3::text[])
        ON CONFLICT DO NOTHING
        """)
    private static let remove = Statement(
        """
        DELETE FROM directory.aliases WHERE address = $1 AND (cardinality($2::text[]) = 0 OR target = ANY ($2::text[]))
        """)
    private static let find = Statement(
        """
        SELECT address, array_agg(target ORDER BY target), min(created_at) FROM directory.aliases
        WHERE address = $1 GROUP BY address
        """)
    private static let list = Statement(
        """
        SELECT address, array_agg(target ORDER BY target), min(created_at) FROM directory.aliases
        WHERE $1 = '' OR domain = $1 GROUP BY address ORDER BY address
        """)

    func addAlias(_ request: AddAliasRequest, _ context: CallContext) async throws -> AddAliasReply {
        let address = try Address.checked(request.address, allowingCatchAll: true)
        guard !request.targets.isEmpty else { throw MessagingError(.failed, "an alias needs a target") }
        let targets = try request.targets.map { try Address.checked($0).text }
        return try await transaction(context) { connection in
            try Self.require(address.domain, on: connection)
            try connection.run(Self.add(address.text, address.domain, targets))
            guard let row = try connection.run(Self.find(address.text)).first else {
                throw DatabaseError(.serializationFailure, "the alias was removed meanwhile")
            }
            var reply = AddAliasReply()
            reply.alias = try AliasRecord.decode(row)
            return reply
        }
    }

    func removeAlias(_ request: RemoveAliasRequest, _ context: CallContext) async throws -> RemoveAliasReply {
        let address = try Address.checked(request.address, allowingCatchAll: true)
        let targets = try request.targets.map { try Address.checked($0).text }
        return try await answering {
            var reply = RemoveAliasReply()
            reply.removed =
                try await pool.run(Self.remove(address.text, targets), deadline: context.deadline).affected > 0
            return reply
        }
    }

    func listAliases(_ request: ListAliasesRequest, _ context: CallContext) async throws -> ListAliasesReply {
        try await answering {
            var reply = ListAliasesReply()
            for row in try await pool.run(Self.list(request.domain.lowercased()), deadline: context.deadline) {
                reply.aliases.append(try AliasRecord.decode(row))
            }
            return reply
        }
    }
}

extension AliasRecord {
    static func decode(_ row: Row) throws(DatabaseError) -> AliasRecord {
        let columns = try row.decode(String.self, [String].self, Timestamp.self)
        var record = AliasRecord()
        record.address = columns.0
        record.targets = columns.1
        record.createdAt = columns.2.microseconds
        return record
    }
}
