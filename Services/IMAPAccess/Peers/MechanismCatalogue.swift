import Contracts
import Messaging
import Synchronization

/// The SASL mechanisms to advertise. Authentication is asked once for each kind of connection, and again
/// after a while; while it is away, what it said last holds, so that no greeting waits for it.
final class MechanismCatalogue: Sendable {
    private struct Key: Hashable {
        var overTLS: Bool
        var bindings: [String]
    }

    private struct Answer {
        var mechanisms: [String]
        var askedAt: ContinuousClock.Instant
    }

    private let answers = Mutex<[Key: Answer]>([:])
    private let sasl: any Sasl
    private let keepFor: Duration
    /// A greeting that must ask waits no longer than this.
    private let patience: Duration

    init(sasl: any Sasl, keepFor: Duration = .seconds(60), patience: Duration = .milliseconds(500)) {
        self.sasl = sasl
        self.keepFor = keepFor
        self.patience = patience
    }

    /// Strongest first.
    func mechanisms(overTLS: Bool, channelBindings: [String]) async -> [String] {
        let key = Key(overTLS: overTLS, bindings: channelBindings)
        let known = answers.withLock { $0[key] }
        if let known, known.askedAt.duration(to: .now) < keepFor { return known.mechanisms }
        var request = SaslMechanismsRequest()
        request.overTls = overTLS
        request.channelBindingTypes = channelBindings
        do {
            let reply = try await sasl.mechanisms(request, CallContext(timeout: patience))
            answers.withLock { $0[key] = Answer(mechanisms: reply.mechanisms, askedAt: .now) }
            return reply.mechanisms
        } catch {
            guard let known else { return overTLS ? ["SCRAM-SHA-256", "PLAIN"] : ["SCRAM-SHA-256"] }
            // Ask again soon, not with every connection.
            answers.withLock {
                $0[key] = Answer(mechanisms: known.mechanisms, askedAt: .now - keepFor + .seconds(1))
            }
            return known.mechanisms
        }
    }
}
