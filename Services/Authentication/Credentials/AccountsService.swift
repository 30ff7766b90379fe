import Contracts
import Logging
import Messaging
import SASL

/// The operator's side: passwords are set and removed.
struct AccountsService: Accounts {
    let store: CredentialStore
    let workers: PasswordWorkers
    let iterations: Int
    let logger: Logger

    func setPassword(_ request: SetPasswordRequest, _ context: CallContext) async throws -> SetPasswordReply {
        guard request.accountID > 0, !request.address.isEmpty else {
            throw MessagingError(.malformed, "an account id and an address are needed")
        }
        guard !request.password.isEmpty else { throw MessagingError(.malformed, "the password is empty") }
        guard request.password.utf8.count <= PasswordChecker.octetLimit else {
            throw MessagingError(.malformed, "the password is longer than \(PasswordChecker.octetLimit) octets")
        }
        let password = request.password
        let iterations = iterations
        let made = try await workers.run(deadline: context.deadline) {
            Result { () throws(SASLprep.Failure) in try ScramVerifier(password: password, iterations: iterations) }
        }
        let verifier: ScramVerifier
        do {
            verifier = try made.get()
        } catch {
            throw MessagingError(.malformed, "the password cannot be used: \(Self.text(of: error))")
        }
        let credential = Credential(
            accountID: request.accountID, address: LoginName.canonical(request.address), verifier: verifier)
        let replaced = try await answering { try await store.set(credential, deadline: context.deadline) }
        logger.notice(
            "password set",
            metadata: ["transaction": "\(context.transaction)", "account": "\(request.accountID)"])
        return .with { $0.replaced = replaced }
    }

    func removeCredentials(_ request: RemoveCredentialsRequest, _ context: CallContext) async throws
        -> RemoveCredentialsReply
    {
        let removed = try await answering { try await store.remove(request.accountID, deadline: context.deadline) }
        return .with { $0.removed = removed }
    }

    func listCredentials(_ request: ListCredentialsRequest, _ context: CallContext) async throws
        -> ListCredentialsReply
    {
        let found = try await answering {
            try await store.list(among: request.accountIds, deadline: context.deadline)
        }
        return .with { $0.accountIds = found }
    }

    private static func text(of failure: SASLprep.Failure) -> String {
        switch failure {
        case .prohibited(let scalar): "it holds U+\(String(scalar.value, radix: 16, uppercase: true)) (RFC 4013, 2.3)"
        case .unassigned(let scalar): "it holds U+\(String(scalar.value, radix: 16, uppercase: true)) (RFC 4013, 2.5)"
        case .bidirectional: "it mixes writing directions (RFC 4013, 2.4)"
        }
    }
}
