import Messaging
import SASL

/// Compares passwords with verifiers, on the workers' threads, or by memory.
struct PasswordChecker: Sendable {
    /// Longer passwords are nobody's.
    static let octetLimit = 1024

    let workers: PasswordWorkers
    let recent: RecentPasswords

    /// Whether the password is right. All wrong ones cost the same.
    func matches(
        name: String, password: String, verifier: ScramVerifier, deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        let text = verifier.description
        if recent.contains(name: name, password: password, verifier: text) { return true }
        guard try await workers.run(deadline: deadline, { verifier.matches(password: password) }) else { return false }
        recent.insert(name: name, password: password, verifier: text)
        return true
    }
}
