import Logging
import NIOCore
import Synchronization
import TestRandomness

/// Keeps what it is told, in order.
final class Recorder<Value: Sendable>: Sendable {
    private let state = Mutex<[Value]>([])

    func record(_ value: Value) { state.withLock { $0.append(value) } }

    var values: [Value] { state.withLock { $0 } }
}

/// Opens a gate with the first message that begins so: what a server makes of a stranger shows in its log only.
struct LogWitness: LogHandler {
    let beginning: String
    let gate: Gate
    var logLevel = Logger.Level.debug
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if event.message.description.hasPrefix(beginning) { gate.open() }
    }
}

extension Logger {
    static func opening(_ gate: Gate, at beginning: String) -> Logger {
        Logger(label: "test") { _ in LogWitness(beginning: beginning, gate: gate) }
    }
}

extension ByteBuffer {
    static func random(octets count: Int, seed: UInt64) -> ByteBuffer {
        var generator = SeededGenerator(seed: seed)
        return ByteBuffer(bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}

extension Task where Success == Void?, Failure == Never {
    /// Waits for the task, which is cancelled when the caller is.
    func cancelledWithCaller() async {
        await withTaskCancellationHandler {
            _ = await value
        } onCancel: {
            cancel()
        }
    }
}
