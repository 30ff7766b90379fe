import Synchronization
import TestSupport

/// What clients do to a service, several at once and again and again, while the test does something to it. Each step has
/// a number of its own. A step that throws was not answered; its session is over, and the client begins another.
final class Load<Answer: Sendable>: Sendable {
    private struct State {
        var nextNumber = 0
        var isStopped = false
        var answers: [Int: Answer] = [:]
        var failures: [any Error] = []
    }

    private let state = Mutex(State())

    /// The answers by number.
    var answers: [Int: Answer] { state.withLock(\.answers) }
    /// What was thrown instead of an answer.
    var failures: [any Error] { state.withLock(\.failures) }

    /// - Parameter isRepeating: a step without an answer is made again, with the same number, until it has one.
    static func run<Session>(
        clients: Int, isRepeating: Bool = false, connect: @escaping @Sendable () async throws -> Session,
        step: @escaping @Sendable (Session, Int) async throws -> Answer, during body: (Load) async throws -> Void
    ) async throws -> Load {
        let load = Load()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<clients {
                group.addTask { await load.work(isRepeating, connect, step) }
            }
            do {
                try await body(load)
            } catch {
                load.state.withLock { $0.isStopped = true }
                group.cancelAll()
                throw error
            }
            load.state.withLock { $0.isStopped = true }
            try await group.waitForAll()
        }
        return load
    }

    /// Waits until so many more steps were answered.
    func untilAnswered(_ count: Int) async throws {
        let before = answers.count
        try await eventually("\(count) more answers after \(before); \(failures.suffix(3))") {
            self.answers.count >= before + count
        }
    }

    private func work<Session>(
        _ isRepeating: Bool, _ connect: @Sendable () async throws -> Session,
        _ step: @Sendable (Session, Int) async throws -> Answer
    ) async {
        var session: Session?
        while !state.withLock(\.isStopped), !Task.isCancelled {
            let number = state.withLock { state in
                state.nextNumber += 1
                return state.nextNumber
            }
            // A service that is away is asked again every few milliseconds.
            _ = try? await eventually("an answer to step \(number)", within: .seconds(60)) {
                do {
                    let current: Session
                    if let open = session { current = open } else { current = try await connect() }
                    session = current
                    let answer = try await step(current, number)
                    state.withLock { $0.answers[number] = answer }
                    return true
                } catch {
                    session = nil
                    return state.withLock { state in
                        state.failures.append(error)
                        return !isRepeating || state.isStopped
                    }
                }
            }
        }
    }
}
