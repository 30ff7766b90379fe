import NIOCore

/// Gives the client some time, after our last word, to end its connection, and closes it when it does not.
///
/// When a process goes on that stood still (it was stopped, or its machine slept), what was due meanwhile is done before its
/// sockets are looked at. A close then would lose what the client said long ago: that it has read our replies. So when the
/// time is over and something lies unread, the client gets it once more, while it is heard; but not for ever, for it may
/// be one that never stops sending.
///
/// Used on the channel's event loop.
public final class Lingering {
    private let channel: any Channel
    private let time: TimeAmount
    private var renewals = 3
    private var timer: Scheduled<Void>?

    /// Begins now.
    public init(on channel: any Channel, for time: Duration) {
        self.channel = channel
        self.time = TimeAmount(time)
        wait()
    }

    /// To be called when the channel is closed.
    public func cancel() { timer?.cancel() }

    private func wait() {
        let this = NIOLoopBound(self, eventLoop: channel.eventLoop)
        timer = channel.eventLoop.scheduleTask(in: time) { this.value.timeIsOver() }
    }

    private func timeIsOver() {
        guard renewals > 0, channel.hasUnreadInput else { return channel.close(promise: nil) }
        renewals -= 1
        wait()
    }
}
