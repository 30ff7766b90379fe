import Dispatch
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite("The writer of a log")
struct LogWriterTests {
    /// A reader of the log that can stop reading.
    private final class Reader: Sendable {
        private let writes = Mutex<[String]>([])
        private let gate = DispatchSemaphore(value: 0)
        private let isOpen: Bool

        init(isOpen: Bool = true) { self.isOpen = isOpen }

        var all: [String] { writes.withLock { $0 } }

        @Sendable func take(_ octets: Slice<UnsafeRawBufferPointer>) {
            writes.withLock { $0.append(String(decoding: octets, as: UTF8.self)) }
            if !isOpen { gate.wait() }
        }

        /// Lets one write more come to its end.
        func goOn() { gate.signal() }
    }

    private static func line(_ number: Int) -> [UInt8] { Array("line \(number)\n".utf8) }

    @Test("writes every line, in order and whole, and few of the writes are for one line alone")
    func together() async throws {
        let reader = Reader()
        let writer = LogWriter(sink: reader.take) { _ in Issue.record("nothing may be lost") }
        let numbers = Array(0..<2_000)
        for number in numbers { writer.output.write(Self.line(number)) }
        writer.flush()
        #expect(reader.all.joined() == numbers.map { "line \($0)\n" }.joined())
        #expect(reader.all.allSatisfy { $0.hasSuffix("\n") && $0.utf8.count <= 4_096 })
        #expect(reader.all.count < numbers.count / 10)
    }

    @Test("writes a line without being asked, and a long one in one write")
    func alone() async throws {
        let reader = Reader()
        let writer = LogWriter(sink: reader.take) { _ in Issue.record("nothing may be lost") }
        writer.output.write(Self.line(1))
        try await eventually("the line") { reader.all == ["line 1\n"] }
        let long = String(repeating: "x", count: 10_000) + "\n"
        writer.output.write(Array(long.utf8))
        writer.output.write(Self.line(2))
        writer.flush()
        #expect(reader.all.joined() == "line 1\n" + long + "line 2\n")
        #expect(reader.all.contains(long))
    }

    @Test("says at the end how much was lost")
    func lossAtTheEnd() {
        let reader = Reader()
        let output = Mutex<LogOutput?>(nil)
        let writer = LogWriter(room: 10, pause: .seconds(60), sink: reader.take) { count in
            output.withLock { $0 }?.write(Array("lost \(count)\n".utf8))
        }
        output.withLock { $0 = writer.output }
        // Written at once; of those behind it one has room.
        writer.output.write(Self.line(0))
        writer.flush()
        for number in 1...3 { writer.output.write(Self.line(number)) }
        writer.flush()
        #expect(reader.all.joined() == "line 0\nline 1\nlost 2\n")
    }

    @Test("holds up nobody when its reader does not read, and then says how much was lost")
    func stuckReader() async throws {
        let reader = Reader(isOpen: false)
        let lost = Mutex<[Int]>([])
        let writer = LogWriter(room: 70, sink: reader.take) { count in lost.withLock { $0.append(count) } }
        writer.output.write(Self.line(0))
        try await eventually("the reader to have the first line") { reader.all.count == 1 }
        // Ten lines have room; this thread goes on nevertheless.
        for number in 1...1_000 { writer.output.write(Self.line(number % 10)) }
        reader.goOn()
        reader.goOn()
        try await eventually("word of what was lost") { lost.withLock { $0 } == [990] }
        #expect(reader.all == ["line 0\n", (1...10).map { "line \($0 % 10)\n" }.joined()])
        writer.output.write(Self.line(7))
        reader.goOn()
        try await eventually("the next line") { reader.all.last == "line 7\n" }
        #expect(lost.withLock { $0 } == [990])
    }
}
