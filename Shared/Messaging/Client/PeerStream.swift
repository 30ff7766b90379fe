/// A stream of answers as it comes from the wire. Dropping it cancels the call on the server.
public final class PeerStream: Sendable {
    private let call: ClientCall
    private let core: PeerCore
    private let inflow: Inflow<PeerReply>?

    /// Made by the socket thread's word that the call is streaming: from then on `inflow` does not change.
    init(_ call: ClientCall, _ core: PeerCore) {
        self.call = call
        self.core = core
        inflow = call.inflow
    }

    deinit {
        let (call, core) = (self.call, self.core)
        core.thread.execute { core.cancel(call) }
    }

    /// The next item, nil at the end.
    public func next() async throws(MessagingError) -> PeerReply? { try await inflow?.next() }
}
