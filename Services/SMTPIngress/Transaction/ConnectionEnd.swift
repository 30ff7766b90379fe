import NIOCore
import TransportSecurity

/// How a connection came to its end, as far as our side can tell.
enum ConnectionEnd: String, Sendable, Hashable {
    /// The client said that it was done (FIN, or close_notify under TLS) and our last octets had left.
    case orderly
    /// The client said that it was done while something of ours had not left yet.
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
struct ConnectionEndObserver: Sendable {
    private var inputEnd: TLSInputEnded?
    private var isReset = false
    private var isTimedOut = false
    /// Writes whose octets have not reached the kernel.
    private var unsentWrites = 0

    mutating func writeBegan() { unsentWrites += 1 }
    mutating func writeEnded(sent: Bool) { if sent { unsentWrites -= 1 } }
    mutating func timedOut() { isTimedOut = true }
    mutating func failed(_ error: any Error) {
        // RST, or a broken pipe: whatever failed, the connection did not end in order.
        isReset = true
    }

    /// FIN on a plain connection, or what TLS made of the stream's end, which says more.
    mutating func inputEnded(_ end: TLSInputEnded = .closeNotify) {
        inputEnd = inputEnd ?? end
    }

    /// Final once the channel is inactive.
    var end: ConnectionEnd {
        if isReset || inputEnd == .reset { return .reset }
        if isTimedOut { return .timedOut }
        switch inputEnd {
        case .closeNotify: return unsentWrites == 0 ? .orderly : .orderlyUnsent
        case .truncated: return .truncated
        case .reset: return .reset
        case nil: return .closedByServer
        }
    }
}
