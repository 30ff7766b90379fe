import Logging
import Synchronization
import Testing

@testable import ServiceRuntime

/// Lines that were logged.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    var output: LogOutput {
        LogOutput { [self] octets in
            let line = String(decoding: octets, as: UTF8.self)
            lines.withLock { $0.append(line) }
        }
    }
}

@Suite("A log line")
struct LogfmtTests {
    private let lines = Lines()
    private let level = LogLevelSwitch(.info)

    private func logger() -> Logger {
        Logger(label: "test") { _ in
            LogfmtHandler(
                service: "storage", replica: 2, level: level, output: lines.output, clock: { 1_795_552_501_123_456 })
        }
    }

    @Test("holds time, level, service, replica, message, transaction, then the rest by name")
    func order() {
        logger().warning("commit failed", metadata: ["zeta": "1", "transaction": "01abc", "alpha": "two words"])
        #expect(
            lines.all == [
                "time=\(WallClock.text(microseconds: 1_795_552_501_123_456)) "
                    + "level=warning service=storage replica=2 message=\"commit failed\" transaction=01abc "
                    + "alpha=\"two words\" zeta=1\n"
            ])
    }

    @Test("keeps what a stranger sends inside its value")
    func escapes() {
        logger().info("x", metadata: ["from": "a\r\ntime=1 level=error \"quoted\\\u{1B}[31m\u{7F}"])
        let line = lines.all.joined()
        #expect(line.hasSuffix(#"from="a\r\ntime=1 level=error \"quoted\\\x1b[31m\x7f""# + "\n"))
        #expect(line.utf8.filter { $0 == 10 }.count == 1)
    }

    @Test("quotes emptiness, leaves letters of every script alone, and cuts what is too long between characters")
    func values() {
        logger().info("ok", metadata: ["empty": "", "name": "Grüße"])
        logger().info("ok", metadata: ["long": "\(String(repeating: "ü", count: 3_000))"])
        #expect(lines.all[0].hasSuffix("message=ok empty=\"\" name=Grüße\n"))
        #expect(lines.all[1].hasSuffix("ü…\"\n"))
        #expect(lines.all[1].utf8.count < 4_300)
    }

    @Test("is written at the level in force, which changes for loggers that are in use")
    func levels() {
        let logger = logger()
        logger.debug("before")
        level.level = .debug
        logger.debug("after")
        level.level = .critical
        logger.error("never")
        #expect(lines.all.count == 1)
        #expect(lines.all.first?.contains("message=after") == true)
    }
}

@Suite("The time of day")
struct WallClockTests {
    @Test(
        "is written as RFC 3339 has it",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000000Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199_999_999, "2024-02-29T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ])
    func text(microseconds: Int64, text: String) { #expect(WallClock.text(microseconds: microseconds) == text) }
}
