import DequeModule
import Synchronization

/// What one subscription has not read yet; bounded, because nobody waits for a slow reader of hints.
final class EventInbox: Sendable {
    private struct State {
        var notices = Deque<EventNotice>()
        var waiter: UnsafeContinuation<EventNotice?, Never>?
        var hasEnded = false
    }

    let topic: String
    private let state = Mutex(State())

    static let capacity = 1_024

    init(topic: String) { self.topic = topic }

    func put(_ notice: EventNotice) {
        let waiter = state.withLock { state -> UnsafeContinuation<EventNotice?, Never>? in
            guard !state.hasEnded else { return nil }
            if let waiter = state.waiter.take() { return waiter }
            if state.notices.count >= Self.capacity {
                state.notices.removeAll(keepingCapacity: true)
                state.notices.append(.lapse)
            } else if notice != .lapse || state.notices.last != .lapse {
                state.notices.append(notice)
            }
            return nil
        }
        waiter?.resume(returning: notice)
    }

    func end() {
        let waiter = state.withLock { state in
            state.hasEnded = true
            return state.waiter.take()
        }
        waiter?.resume(returning: nil)
    }

    func next() async -> EventNotice? {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<EventNotice?, Never>) in
                let (isReady, notice) = state.withLock { state -> (Bool, EventNotice?) in
                    if let notice = state.notices.popFirst() { return (true, notice) }
                    if state.hasEnded || Task.isCancelled || state.waiter != nil { return (true, nil) }
                    state.waiter = continuation
                    return (false, nil)
                }
                if isReady { continuation.resume(returning: notice) }
            }
        } onCancel: {
            state.withLock { $0.waiter.take() }?.resume(returning: nil)
        }
    }
}
