import NIOCore
import TransportSecurity

/// How a connection came to its end, as far as our side can tell.
public enum ConnectionEnd: String, Sendable, Hashable {
    /// The client said that it was done (FIN, or close_notify under TLS) and had acknowledged all that we had said.
    case orderly
    /// The same, but of a connection that came through a proxy: it is the proxy that acknowledged what we had said, and the
    /// client may never have got it.
    case orderlyToProxy = "orderly-to-proxy"
    /// The client said that it was done while something of ours had not left, or had not arrived.
    case orderlyUnsent = "orderly-unsent"
    /// TLS ended without close_notify.
    case truncated
    /// The network or the client reset it.
    case reset
    /// The client was silent for too long.
    case timedOut = "timed-out"
    /// We closed it, and the client did not say anything any more.
    case closedByServer = "closed-by-server"
}

/// Watches a connection for how it ends. This is the only place that draws the conclusion: what a client surely knows
/// depends on it.
///
/// A system whose program closes a connection with octets of ours unread sends a reset, and one that gets octets of ours
/// after the close does so too. So a FIN that comes when everything is acknowledged, and that no reset follows, is the
/// word of a program that has read what we wrote.
///
/// A proxy breaks this chain: it takes our octets off the network, acknowledges them, and may lose them on its way to a
/// client that is gone; and its FIN says that it has done with us, whatever the client did, even when TLS goes through it
/// and the close_notify before it is the client's own. So a proxied connection never ends in order, and its receipts are
/// settled by answered prompts alone, see ``ClientKnowledge``.
public struct ConnectionEndObserver: Sendable {
    private let isProxied: Bool
    private var inputEnd: TLSInputEnded?
    private var wasHeardAtEnd = false
    private var isReset = false
    private var isTimedOut = false
    private var isOutputClosed = false
    /// Octets of our own close_notify, which follows the last reply.
    private var farewellOctets: Int32 = 0
    /// Writes whose octets have not reached the kernel.
    private var unsentWrites = 0

    /// Of a connection that has just begun.
    /// - Parameter isProxied: somebody else takes our octets from the network than who reads them, see
    ///   `ConnectionOrigin.isProxied`.
    public init(isProxied: Bool) { self.isProxied = isProxied }

    /// Octets are handed to the channel.
    public mutating func writeBegan() { unsentWrites += 1 }
    /// They have reached the kernel, or never will.
    public mutating func writeEnded(sent: Bool) { if sent { unsentWrites -= 1 } }
    /// Our side of the connection is closed behind the last write.
    public mutating func outputClosed() { isOutputClosed = true }
    /// TLS has said behind the last write that nothing more comes, in so many octets.
    public mutating func outputEnded(_ end: TLSOutputEnded) { farewellOctets = Int32(clamping: end.octets) }
    /// The client was silent for too long.
    public mutating func timedOut() { isTimedOut = true }
    /// A reset, or a broken pipe: whatever failed, the connection did not end in order.
    public mutating func failed(_ error: any Error) { isReset = true }

    /// FIN on a plain connection, or what TLS made of the stream's end, which says more. To be told as soon as it is known,
    /// on the channel's event loop: what is unacknowledged at that moment counts.
    public mutating func inputEnded(_ end: TLSInputEnded = .closeNotify, on channel: any Channel) {
        guard inputEnd == nil else { return }
        inputEnded(end, unacknowledged: channel.unacknowledgedOctets ?? .max)
    }

    /// To be told at the end of each read of a connection without TLS: once our side is closed, the channel closes itself
    /// upon the client's FIN and nothing else tells of it. True when the FIN was seen now.
    public mutating func readCompleted(on channel: any Channel) -> Bool {
        guard isOutputClosed, inputEnd == nil, channel.isAtEndOfInput else { return false }
        inputEnded(.closeNotify, on: channel)
        return true
    }

    /// The same, with the octets of ours that the other side had not acknowledged.
    mutating func inputEnded(_ end: TLSInputEnded, unacknowledged: Int32) {
        guard inputEnd == nil else { return }
        inputEnd = end
        // Behind the last reply there is only our own farewell: close_notify, and FIN, which counts as one octet.
        wasHeardAtEnd = unsentWrites == 0 && unacknowledged <= farewellOctets + (isOutputClosed ? 1 : 0)
    }

    /// Whether the client, as far as nobody stands between, had heard everything when it said that it was done. The only
    /// ground on which an end settles anything.
    public var hasEndedInOrder: Bool { end == .orderly }

    /// Final once the channel is inactive.
    public var end: ConnectionEnd {
        if isReset || inputEnd == .reset { return .reset }
        if isTimedOut { return .timedOut }
        switch inputEnd {
        case .closeNotify:
            guard wasHeardAtEnd else { return .orderlyUnsent }
            return isProxied ? .orderlyToProxy : .orderly
        case .truncated: return .truncated
        case .reset: return .reset
        case nil: return .closedByServer
        }
    }
}
