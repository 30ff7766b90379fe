import Contracts
import Database
import Messaging

extension DirectoryService {
    private static let columns = """
        d.name, (SELECT count(*) FROM directory.accounts a WHERE a.domain = d.name),
        (SELECT count(DISTINCT a.address) FROM directory.aliases a WHERE a.domain = d.name), d.created_at
        """
    private static let add = Statement(
        "INSERT INTO directory.domains (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING name")
    private static let find = Statement("SELECT \(columns) FROM directory.domains d WHERE d.name = $1")
    private static let list = Statement("SELECT \(columns) FROM directory.domains d ORDER BY d.name")
    private static let lock = Statement("SELECT FROM directory.domains WHERE name = $1 FOR UPDATE")
    private static let remove = Statement("DELETE FROM directory.domains WHERE name = $1")

    func addDomain(_ request: AddDomainRequest, _ context: CallContext) async throws -> AddDomainReply {
        let name = try Address.checkedDomain(request.name)
        return try await transaction(context) { connection in
            var reply = AddDomainReply()
            reply.existed = try connection.run(Self.add(name)).isEmpty
            guard let row = try connection.run(Self.find(name)).first else {
                throw DatabaseError(.serializationFailure, "the domain was removed meanwhile")
            }
            reply.domain = try DomainRecord.decode(row)
            return reply
        }
    }

    func removeDomain(_ request: RemoveDomainRequest, _ context: CallContext) async throws -> RemoveDomainReply {
        let name = try Address.checkedDomain(request.name)
        return try await transaction(context) { connection in
            var reply = RemoveDomainReply()
            guard try !connection.run(Self.lock(name)).isEmpty,
                let row = try connection.run(Self.find(name)).first
            else { return reply }
            let domain = try DomainRecord.decode(row)
            guard domain.accountCount == 0, domain.aliasCount == 0 else {
                throw MessagingError(
                    .failed,
                    "\(name) has \(domain.accountCount) accounts and \(domain.aliasCount) aliases: remove them first")
            }
            reply.removed = try connection.run(Self.remove(name)).affected == 1
            return reply
        }
    }

    func listDomains(_ request: ListDomainsRequest, _ context: CallContext) async throws -> ListDomainsReply {
        try await answering {
            var reply = ListDomainsReply()
            for row in try await pool.run(Self.list(), deadline: context.deadline) {
                reply.domains.append(try DomainRecord.decode(row))
            }
            return reply
        }
    }
}

extension DomainRecord {
    static func decode(_ row: Row) throws(DatabaseError) -> DomainRecord {
        let columns = try row.decode(String.self, Int64.self, Int64.self, Timestamp.self)
        var record = DomainRecord()
        record.name = columns.0
        record.accountCount = columns.1
        record.aliasCount = columns.2
        record.createdAt = columns.3.microseconds
        return record
    }
}
