import NIOCore
import Synchronization

/// Runs the writer of a `ReplyStream` that is read in the same process, one item ahead of the reader at most.
/// The writer's task begins with the first `next` and is cancelled when the reader is dropped.
final class Handover<Item: Sendable>: Sendable {
    typealias Element = (item: Item, payload: [ByteBuffer])

    private let body: @Sendable (ReplyWriter<Item>) async throws -> Void
    private let outflow = Outflow(window: 1)
    private let inflow: Inflow<Result<Element, any Error>>
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ body: @escaping @Sendable (ReplyWriter<Item>) async throws -> Void) {
        self.body = body
        let outflow = self.outflow
        inflow = Inflow(window: 1) { outflow.grant($0) }
    }

    deinit {
        outflow.end(MessagingError(.cancelled))
        task.withLock { $0?.cancel() }
    }

    func next() async throws -> Element? {
        start()
        return try await inflow.next()?.get()
    }

    private func start() {
        task.withLock { task in
            guard task == nil else { return }
            task = Task { [body, inflow, outflow] in
                do {
                    try await body(
                        ReplyWriter { item, payload in
                            try await outflow.take(1)
                            _ = inflow.push(.success((item, payload)), cost: 1)
                        })
                } catch {
                    // The reader has room for the failure, whatever is buffered.
                    try? await outflow.take(1)
                    _ = inflow.push(.failure(error), cost: 1)
                }
                inflow.end()
            }
        }
    }
}
