/// The authenticated name of a process that calls: the service whose CURVE key it holds.
public struct PeerIdentity: Sendable, Hashable, CustomStringConvertible {
    /// For example "smtp-ingress".
    public let service: String

    /// Names a peer.
    public init(service: String) { self.service = service }

    /// For logs.
    public var description: String { service }
}

/// What accompanies every call, on both sides.
public struct CallContext: Sendable {
    /// The trace id that every process logs.
    public var transaction: TransactionID
    /// When the caller gives up. It travels as the time that remains, so clocks need not agree.
    public var deadline: ContinuousClock.Instant
    /// Set when the call changes anything: lets a repetition be recognised, and therefore be sent.
    public var idempotencyKey: TransactionID?
    /// On the server's side: who calls. Nil within one process (inproc), where there is nobody to distrust.
    public var caller: PeerIdentity?

    /// The context of a new call; `timeout` counts from now.
    public init(
        transaction: TransactionID = .next(), timeout: Duration = .seconds(10), idempotencyKey: TransactionID? = nil
    ) {
        self.init(
            transaction: transaction, deadline: .now.advanced(by: timeout), idempotencyKey: idempotencyKey)
    }

    /// A context whose deadline is known already.
    public init(
        transaction: TransactionID, deadline: ContinuousClock.Instant, idempotencyKey: TransactionID? = nil,
        caller: PeerIdentity? = nil
    ) {
        self.transaction = transaction
        self.deadline = deadline
        self.idempotencyKey = idempotencyKey
        self.caller = caller
    }

    /// The same transaction and deadline for a call that follows from this one.
    public func forwarding(idempotencyKey: TransactionID? = nil) -> CallContext {
        CallContext(transaction: transaction, deadline: deadline, idempotencyKey: idempotencyKey)
    }
}
