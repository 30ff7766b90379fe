import Dispatch

/// Why a test cannot go on.
public struct TestFailure: Error, CustomStringConvertible {
    /// In words.
    public let description: String

    /// A failure in words.
    public init(_ description: String) { self.description = description }
}

/// Runs what blocks, such as waiting for a program, or computes for a second, on a thread of its own. Swift's concurrent
/// pool has few threads, and what other tests do at the same time needs them.
public func blocking<Answer: Sendable>(_ body: @escaping @Sendable () throws -> Answer) async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
        // Another than the global queues, which have as many threads as there are cores and are slow to add to them.
        DispatchQueue(label: "blocking").async { continuation.resume(with: Result { try body() }) }
    }
}

/// Asks again and again until there is an answer, and returns it; fails when there is none in time. The one way in which
/// a test waits for something that does not tell by itself. An error that `answer` throws ends the waiting.
/// - Parameter what: completes the sentence "waited in vain for".
@discardableResult
public func eventually<Answer>(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(30),
    isolation: isolated (any Actor)? = #isolation, _ answer: () async throws -> Answer?
) async throws -> Answer {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while true {
        if let answer = try await answer() { return answer }
        guard ContinuousClock.now < deadline else { throw TestFailure("waited \(limit) in vain for \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// As the other, for a condition.
public func eventually(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(30),
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    try await eventually(what(), within: limit) { try await condition() ? true : nil }
}
