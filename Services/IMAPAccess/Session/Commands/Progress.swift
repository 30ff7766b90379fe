import IMAPSyntax
import NIOCore

/// A sign of life while a command takes long (RFC 9585).
extension Session {
    /// Begins to tell that the command is at work; the task is to be cancelled when it is not any more. Nil for commands
    /// that are quick, or that speak all the time: nothing may come between the pieces of a FETCH response.
    func tellProgress(of tagged: TaggedCommand) -> RepeatedTask? {
        switch tagged.command {
        case .search, .eSearch, .copy, .move, .store, .expunge, .uidExpunge, .delete, .rename: break
        default: return nil
        }
        let interval = TimeAmount(limits.progressInterval)
        return channel.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in
            self?.assumeIsolated { session in
                guard !session.isAnsweringFetch else { return }
                session.printer.untagged(
                    StatusResponse(.ok, .inProgress(tag: tagged.tag, done: nil, goal: nil), "Still at work"))
                session.flush()
            }
        }
    }
}
