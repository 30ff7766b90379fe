import Contracts
import Messaging
import NIOCore

/// The services that ingress asks.
struct IngressPeers: Sendable {
    /// Served by storage.
    var directory: any Directory
    /// Served by storage, for settlements alone.
    var delivery: any Delivery
    /// Served by content processing.
    var acceptance: any Acceptance
    /// Served by authentication.
    var sasl: any Sasl
}

extension PeerRefusal {
    /// What a failed call means for the client.
    init(_ error: any Error) {
        guard let error = error as? MessagingError else {
            self.init(failure: .unavailable)
            return
        }
        switch error.code {
        case .overloaded: self.init(failure: .overloaded)
        case .denied, .unknownMethod: self.init(failure: .misconfigured)
        default: self.init(failure: .unavailable)
        }
    }
}

extension AuthenticationAnswer {
    init(_ reply: SaslStepReply) {
        switch reply.step {
        case .challenge(let challenge):
            self = .challenge(Array(challenge), exchange: Array(reply.exchange))
        case .success(let success):
            self = .success(
                success.identity, additionalData: success.hasAdditionalData ? Array(success.additionalData) : nil)
        case .failure(let failure):
            self = .failure(failure)
        case nil:
            self = .unavailable
        }
    }
}

/// Runs a session's calls on the session's own event loop, so that an answer costs one hop: from the thread that
/// received it to the loop.
final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
