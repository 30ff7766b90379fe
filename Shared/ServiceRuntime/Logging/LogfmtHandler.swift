import Atomics
import Glibc
import Logging

/// Where log lines go: standard error, or what a test gives.
public struct LogOutput: Sendable {
    /// Takes one whole line, its line feed included.
    public var write: @Sendable (borrowing [UInt8]) -> Void

    /// An output of one's own.
    public init(write: @escaping @Sendable (borrowing [UInt8]) -> Void) { self.write = write }

    /// Standard error, before the caller goes on.
    public static let standardError = LogOutput { line in line.withUnsafeBytes { writeToStandardError($0[...]) } }

    /// Writes all octets to standard error, or none of the rest once it takes no more.
    @Sendable static func writeToStandardError(_ octets: Slice<UnsafeRawBufferPointer>) {
        var rest = octets
        while let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
            let count = Glibc.write(2, base, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return
            }
        }
    }
}

/// The level in force for the whole process; it changes on SIGHUP while every logger is in use.
public final class LogLevelSwitch: Sendable {
    private let index: ManagedAtomic<Int>

    /// Starts at a level.
    public init(_ level: Logger.Level) { index = ManagedAtomic(Self.levels.firstIndex(of: level) ?? 2) }

    /// The level in force.
    public var level: Logger.Level {
        get { Self.levels[index.load(ordering: .relaxed)] }
        set { index.store(Self.levels.firstIndex(of: newValue) ?? 2, ordering: .relaxed) }
    }

    private static let levels = Logger.Level.allCases
}

/// A backend of swift-log that writes one line for each event, in logfmt:
/// `time=2026-11-23T20:25:01.123456Z level=info service=storage replica=0 message="…" transaction=… key=value`.
///
/// Metadata come in the order of their names after `transaction`; a value is quoted when it has a space, a quote, an
/// equals sign or a control character, and a control character is written as an escape: nothing that a stranger sends
/// can begin a line of its own.
public struct LogfmtHandler: LogHandler {
    /// What this logger adds to each event.
    public var metadata: Logger.Metadata = [:]
    /// What the surroundings add to each event.
    public var metadataProvider: Logger.MetadataProvider?

    private let identity: [UInt8]
    private let level: LogLevelSwitch
    private let output: LogOutput
    private let clock: @Sendable () -> Int64
    private var own: Logger.Level?

    /// Makes a handler; every handler of a process shares the level switch.
    /// - Parameter clock: microseconds since 1970-01-01 UTC.
    public init(
        service: String, replica: Int, level: LogLevelSwitch, output: LogOutput,
        clock: @escaping @Sendable () -> Int64 = { WallClock.microseconds }
    ) {
        var identity: [UInt8] = []
        Logfmt.append(key: "service", value: service, to: &identity)
        Logfmt.append(key: "replica", value: "\(replica)", to: &identity)
        self.identity = identity
        self.level = level
        self.output = output
        self.clock = clock
    }

    /// The process's level, unless this logger was given one of its own.
    public var logLevel: Logger.Level {
        get { own ?? level.level }
        set { own = newValue }
    }

    /// One of the metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the line.
    public func log(event: LogEvent) {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        line.append(contentsOf: "time=".utf8)
        WallClock.append(microseconds: clock(), to: &line)
        Logfmt.append(key: "level", value: event.level.rawValue, to: &line)
        line.append(contentsOf: identity)
        Logfmt.append(key: "message", value: event.message.description, to: &line)

        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        if let transaction = all.removeValue(forKey: "transaction") {
            Logfmt.append(key: "transaction", value: transaction.description, to: &line)
        }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            Logfmt.append(key: key, value: value.description, to: &line)
        }
        if let error = event.error { Logfmt.append(key: "error", value: "\(error)", to: &line) }
        line.append(UInt8(ascii: "\n"))
        output.write(line)
    }
}

/// How keys and values are written.
enum Logfmt {
    /// Longest value in octets; what is beyond is cut, with an ellipsis.
    static let valueLimit = 4_096

    static func append(key: String, value: String, to line: inout [UInt8]) {
        if !line.isEmpty || key != "time" { line.append(UInt8(ascii: " ")) }
        for octet in key.utf8 { line.append(isPlain(octet) ? octet : UInt8(ascii: "_")) }
        line.append(UInt8(ascii: "="))
        var value = value
        value.makeContiguousUTF8()
        value.utf8.withContiguousStorageIfAvailable { append(value: $0, to: &line) }
    }

    private static func append(value: UnsafeBufferPointer<UInt8>, to line: inout [UInt8]) {
        var end = value.count
        if end > valueLimit {
            end = valueLimit
            while end > 0, value[end] & 0xC0 == 0x80 { end -= 1 }
        }
        let shown = value[..<end]
        guard shown.isEmpty || end < value.count || !shown.allSatisfy(isPlain) else {
            line.append(contentsOf: shown)
            return
        }
        line.append(UInt8(ascii: "\""))
        for octet in shown {
            switch octet {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                line.append(UInt8(ascii: "\\"))
                line.append(octet)
            case UInt8(ascii: "\n"): line.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): line.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): line.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7F:
                line.append(contentsOf: "\\x".utf8)
                line.append(hexDigits[Int(octet >> 4)])
                line.append(hexDigits[Int(octet & 15)])
            default: line.append(octet)
            }
        }
        if end < value.count { line.append(contentsOf: "…".utf8) }
        line.append(UInt8(ascii: "\""))
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    private static func isPlain(_ octet: UInt8) -> Bool {
        octet > 0x20 && octet != 0x7F && octet != UInt8(ascii: "=") && octet != UInt8(ascii: "\"")
            && octet != UInt8(ascii: "\\")
    }
}
