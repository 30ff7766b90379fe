import DequeModule
import Glibc

/// The thread of one database connection, as the executor of its actor and of tasks that work with nothing else: such a
/// task is resumed right here, not first on the shared pool.
///
/// libpq's calls block: resolving a name, a handshake, waiting for a result. They block this thread and no other, so
/// that the cooperative pool never waits for PostgreSQL. Jobs run one after another, in the order they came.
///
/// The thread ends when `stop()` was called and nothing is left to run. Only the connection's `deinit` calls it, when
/// no job for the actor can come any more.
final class ConnectionThread: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
    private var jobs = Deque<UnownedJob>()
    private var isStopping = false

    init() {
        mutex = .allocate(capacity: 1)
        wakeUp = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wakeUp, nil)
        start()
    }

    deinit {
        pthread_cond_destroy(wakeUp)
        pthread_mutex_destroy(mutex)
        wakeUp.deallocate()
        mutex.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        pthread_cond_signal(wakeUp)
        pthread_mutex_unlock(mutex)
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_signal(wakeUp)
        pthread_mutex_unlock(mutex)
    }

    private func start() {
        var thread = pthread_t()
        // The thread owns one reference to this object until it ends.
        let owned = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let executor = Unmanaged<ConnectionThread>.fromOpaque(argument).takeRetainedValue()
                executor.runUntilStopped()
                return nil
            }, owned.toOpaque())
        // As with any thread of the language's own pool: without it the process cannot work.
        precondition(code == 0, "no thread for a database connection: error \(code)")
        pthread_detach(thread)
    }

    private func runUntilStopped() {
        let actorExecutor = asUnownedSerialExecutor()
        let taskExecutor = asUnownedTaskExecutor()
        while true {
            pthread_mutex_lock(mutex)
            while jobs.isEmpty && !isStopping {
                pthread_cond_wait(wakeUp, mutex)
            }
            guard let job = jobs.popFirst() else {
                pthread_mutex_unlock(mutex)
                return
            }
            pthread_mutex_unlock(mutex)
            job.runSynchronously(isolatedTo: actorExecutor, taskExecutor: taskExecutor)
        }
    }
}
