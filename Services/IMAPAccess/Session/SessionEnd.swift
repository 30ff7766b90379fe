import IMAPSyntax
import NIOCore
import Settlement

/// Why a session ends.
enum SessionEnd: Error, Sendable {
    /// LOGOUT was answered.
    case loggedOut
    /// The client closed the connection or lost it.
    case clientGone
    /// The server says why and closes.
    case bye(StatusResponse)
}

extension SessionEnd {
    /// For the log.
    var reason: String {
        switch self {
        case .loggedOut: "logout"
        case .clientGone: "client gone"
        case .bye(let status): status.text.text
        }
    }
}

extension Session {
    /// Sends the last words and closes in order: a reset would destroy what the client has not read yet.
    func close() async {
        flush()
        if channel.isActive, !wakeup.take(.gone).contains(.gone) {
            end.outputClosed()
            channel.close(mode: .output, promise: nil)
            compression?.discardInput()
            readingIsPaused = false
            try? channel.syncOptions?.setOption(.autoRead, value: true)
            let lingering = Lingering(on: channel, for: limits.lingerTimeout)
            var woken: Wakeups = []
            while woken.isDisjoint(with: [.ended, .gone]) {
                input.clear()
                woken = await wait(for: [.input, .ended, .gone], within: limits.lingerTimeout)
            }
            lingering.cancel()
        }
        try? await channel.close().get()
        timer?.task.cancel()
        timer = nil
        handler = nil
        layer = nil
        input = ByteBuffer()
    }
}
