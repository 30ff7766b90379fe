import Contracts
import Database
import Messaging

/// The contract `Directory`: who exists. Accounts, domains and aliases have a file each.
struct DirectoryService: Directory {
    let pool: ConnectionPool
    let resolver: Resolver
    let announce: @Sendable (MailboxChanged) -> Void

    func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        var reply = ResolveReply()
        reply.resolutions = try await resolver.resolve(request.addresses, deadline: context.deadline)
        return reply
    }

    /// Runs `body` in a transaction; one that met another is run again.
    func transaction<Value: Sendable>(
        _ context: CallContext, _ body: @escaping @Sendable (isolated DatabaseConnection) async throws -> Value
    ) async throws -> Value {
        try await answering {
            var attempts = 0
            while true {
                do {
                    return try await pool.withConnection(deadline: context.deadline) { connection in
                        try await connection.transaction { try await body($0) }
                    }
                } catch let error as DatabaseError
                    where attempts < 3 && (error.fault == .concurrency || error.code == .uniqueViolation)
                {
                    attempts += 1
                }
            }
        }
    }

    /// Fails unless the domain is ours; keeps it from being removed until the transaction ends.
    static func require(_ domain: String, on connection: isolated DatabaseConnection) throws {
        guard try !connection.run(holdDomain(domain)).isEmpty else {
            throw MessagingError(.failed, "\(domain) is not a domain of this system: add it first")
        }
    }

    private static let holdDomain = Statement("SELECT FROM directory.domains WHERE name = $1 FOR KEY SHARE")
}
