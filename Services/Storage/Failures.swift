import Database
import Messaging

extension MessagingError {
    /// What a caller learns of a failure of the database: whether to come again, not what the statement was.
    ///
    /// Only a value that cannot be stored is the caller's fault. All else passes, be it by waiting, a migration or a
    /// mended installation, and mail must not be refused for it for good.
    init(_ error: DatabaseError) {
        switch (error.code, error.fault) {
        case (.poolExhausted, _): self.init(.overloaded, "storage is busy")
        case (_, .caller): self.init(.malformed, "a value cannot be stored: \(error.message)")
        case (_, .server), (_, .concurrency), (_, .program):
            self.init(.unavailable, "the database is not available: \(error.code)")
        }
    }
}

/// Runs `body` and turns a failure of the database into one that callers know.
func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as DatabaseError {
        throw MessagingError(error)
    }
}
