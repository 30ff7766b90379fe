import Atomics
import CZeroMQ
import DequeModule
import Dispatch
import Glibc
import Synchronization

/// The one thread that owns every ZeroMQ socket of a `MessagingContext`.
///
/// Work reaches it through `execute` and, as it is a task executor, as jobs of Swift tasks that prefer it: a handler
/// that runs here answers without any change of thread. Hand-overs from other threads are gathered under a lock and
/// taken as one batch; the eventfd is written only when the thread sleeps. Everything named "confined" below is
/// touched by this thread only.
final class SocketThread: TaskExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case action(@Sendable () -> Void)
    }

    private struct Inbox {
        var work: [Work] = []
        var isAsleep = false
        var hasEnded = false
    }

    private let inbox = Mutex(Inbox())
    private let wakeDescriptor: Int32
    private let identity = ManagedAtomic<UInt>(0)
    let zeroMQ: ZeroMQContext
    /// Takes the thread's place once it has ended; serial, so that confinement holds.
    private let afterwards = DispatchQueue(label: "messaging.afterwards")

    // Confined.
    private var local = Deque<Work>()
    private var taken: [Work] = []
    private var sockets: [ZeroMQSocket] = []
    private var pollSet: [pollfd] = []
    private var timers: [ThreadTimer] = []
    private var lastNumber = 0
    private var isEnding = false
    private var onEnd: [@Sendable () -> Void] = []
    /// Read once for each turn of the loop; exact enough for deadlines.
    private(set) var now = ContinuousClock.now

    init() throws(MessagingError) {
        zeroMQ = try ZeroMQContext()
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard wakeDescriptor >= 0 else { throw MessagingError(.failed, "eventfd: errno \(errno)") }
        pollSet = [pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)]
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<SocketThread>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            throw MessagingError(.failed, "no thread for messaging: error \(result)")
        }
        pthread_detach(thread)
    }

    deinit { close(wakeDescriptor) }

    // MARK: Reaching the thread

    var isCurrent: Bool { identity.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Runs the action on this thread: at once when already there, else with the next batch.
    func execute(_ action: @escaping @Sendable () -> Void) {
        if isCurrent { action() } else { submit(.action(action)) }
    }

    /// Runs the action on this thread and comes back when it is done.
    func perform(_ action: @escaping @Sendable () -> Void) async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            execute {
                action()
                continuation.resume()
            }
        }
    }

    /// Runs the action on this thread, after what it is doing now.
    func later(_ action: @escaping @Sendable () -> Void) {
        if isCurrent { local.append(.action(action)) } else { submit(.action(action)) }
    }

    /// Runs the action on this thread and waits for it; for setting up only.
    func wait<Value: Sendable>(for action: @escaping @Sendable () -> Value) -> Value {
        if isCurrent { return action() }
        let done = DispatchSemaphore(value: 0)
        let value = Mutex<Value?>(nil)
        submit(
            .action {
                let result = action()
                value.withLock { $0 = result }
                done.signal()
            })
        done.wait()
        guard let result = value.withLock({ $0 }) else { preconditionFailure("signalled without a value") }
        return result
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent { local.append(.job(job)) } else { submit(.job(job)) }
    }

    private func submit(_ work: Work) {
        let (mustWake, hasEnded) = inbox.withLock { inbox in
            if inbox.hasEnded { return (false, true) }
            inbox.work.append(work)
            defer { inbox.isAsleep = false }
            return (inbox.isAsleep, false)
        }
        if mustWake { eventfd_write(wakeDescriptor, 1) }
        // Tasks that outlive the messaging must still come to their end.
        if hasEnded { afterwards.async { self.perform(work) } }
    }

    /// Closes all sockets and ends the thread; what is enqueued runs first. `completion` runs when all is over.
    func end(_ completion: @escaping @Sendable () -> Void) {
        later {
            // Asked again after the end: this runs on the queue that took over.
            guard self.isCurrent else { return completion() }
            self.isEnding = true
            self.onEnd.append(completion)
            for socket in self.sockets { socket.end() }
        }
    }

    // MARK: The loop (confined)

    func register(_ socket: ZeroMQSocket) {
        sockets.append(socket)
        pollSet.append(pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0))
    }

    func unregister(_ socket: ZeroMQSocket) {
        guard let index = sockets.firstIndex(where: { $0 === socket }) else { return }
        sockets.remove(at: index)
        pollSet.remove(at: index + 1)
    }

    /// Numbers for names that must be unique in the process.
    func nextNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    func register(_ timer: ThreadTimer) { timers.append(timer) }

    /// Also disarms it: the loop may be about to fire what was due in this turn, and the owner may be gone by then.
    func unregister(_ timer: ThreadTimer) {
        timer.disarm()
        timers.removeAll { $0 === timer }
    }

    private func run() {
        identity.store(UInt(pthread_self()), ordering: .relaxed)
        while true {
            takeInbox()
            now = .now
            var turn = local.count
            while turn > 0, let work = local.popFirst() {
                perform(work)
                turn -= 1
            }
            for socket in sockets where socket.isDirty { socket.serve() }
            for timer in timers { timer.fire(at: now) }
            if isEnding, sockets.isEmpty, finish() { return }
            poll()
        }
    }

    private func perform(_ work: Work) {
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .action(let action): action()
        }
    }

    private func takeInbox() {
        inbox.withLock { inbox in
            inbox.isAsleep = false
            swap(&inbox.work, &taken)
        }
        local.append(contentsOf: taken)
        taken.removeAll(keepingCapacity: true)
    }

    /// Waits for sockets, for the eventfd or for the next timer; does not wait while there is work left.
    private func poll() {
        var timeout: Int32 = 0
        if local.isEmpty, !sockets.contains(where: \.isDirty) {
            timeout = untilNextTimer()
            let mayRest = inbox.withLock { inbox in
                inbox.isAsleep = inbox.work.isEmpty
                return inbox.isAsleep
            }
            if !mayRest { timeout = 0 }
        }
        let count = Glibc.poll(&pollSet, nfds_t(pollSet.count), timeout)
        guard count > 0 else { return }
        if pollSet[0].revents != 0 {
            var value: eventfd_t = 0
            eventfd_read(wakeDescriptor, &value)
        }
        for index in sockets.indices where pollSet[index + 1].revents != 0 { sockets[index].isDirty = true }
    }

    private func untilNextTimer() -> Int32 {
        var next: ContinuousClock.Instant?
        for timer in timers {
            if let due = timer.due, next.map({ due < $0 }) ?? true { next = due }
        }
        guard let next else { return -1 }
        let rest = next - .now
        guard rest > .zero else { return 0 }
        let milliseconds = rest.components.seconds * 1_000 + rest.components.attoseconds / 1_000_000_000_000_000
        return Int32(clamping: milliseconds + 1)
    }

    /// True when nothing is left to do; from then on jobs run elsewhere.
    private func finish() -> Bool {
        let hasEnded = inbox.withLock { inbox in
            guard inbox.work.isEmpty, local.isEmpty else { return false }
            inbox.hasEnded = true
            return true
        }
        if hasEnded {
            identity.store(0, ordering: .relaxed)
            timers.removeAll()
            zeroMQ.terminate()
            for completion in onEnd { completion() }
            onEnd.removeAll()
        }
        return hasEnded
    }
}

/// Something that a component wants done at a time; confined to the thread.
final class ThreadTimer {
    private(set) var due: ContinuousClock.Instant?
    private let action: () -> Void

    init(_ action: @escaping () -> Void) { self.action = action }

    /// Fires at `time`, or earlier when it was to fire earlier.
    func arm(at time: ContinuousClock.Instant) {
        due = due.map { min($0, time) } ?? time
    }

    func disarm() { due = nil }

    func fire(at now: ContinuousClock.Instant) {
        guard let due, due <= now else { return }
        self.due = nil
        action()
    }
}
