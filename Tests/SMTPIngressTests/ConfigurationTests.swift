import Foundation
import TestSupport
import Testing

@testable import SMTPIngress
@testable import ServiceRuntime

@Suite struct ConfigurationTests {
    private func load(_ text: String) throws -> IngressConfiguration {
        let loader = ConfigurationLoader(
            service: "smtp-ingress", keys: IngressConfiguration.keys, environment: [:])
        return try IngressConfiguration(
            from: loader.load(ConfigurationFile(path: "/etc/martlet.yaml", octets: Array(text.utf8))).section)
    }

    @Test("Without a word the relay listens and nothing else, and the limits are the program's")
    func defaults() throws {
        let configuration = try load("smtp-ingress:\n  hostname: mx.example.test\n")
        #expect(configuration.serverName == "mx.example.test")
        #expect(configuration.listeners.map(\.kind) == [.relay])
        #expect(configuration.listeners.first?.address == .network(host: "0.0.0.0", port: 25))
        #expect(configuration.limits == Limits() && configuration.timeouts == Timeouts())
        #expect(configuration.certificate == nil && configuration.postmaster == nil)
        #expect(configuration.trustedProxies.isEmpty)
    }

    @Test("Every key arrives where it belongs")
    func everything() throws {
        let folder = try TemporaryDirectory()
        let file = "\(folder.path)/any.pem"
        try Data("x".utf8).write(to: URL(filePath: file))
        let configuration = try load(
            """
            smtp-ingress:
              hostname: mx
              postmaster: root@example.test
              relay: { listen: ["127.0.0.1:2525"] }
              submission: { listen: ["127.0.0.1:2587"] }
              submissions: { listen: ["[::1]:2465"] }
              lmtp: { listen: ["unix:/run/lmtp.sock"] }
              tls: { certificate: \(file), key: \(file) }
              proxy: { trusted: ["10.0.0.0/8", "::1"], timeout: 6s }
              spool: { directory: /var/spool/martlet }
              event_loops: 3
              limits:
                message: 1MB
                discarded: 2MB
                memory: 64KB
                command_line: 1024
                authentication_line: 4096
                recipients: 10
                transactions: 11
                errors: 12
                idle_commands: 13
                authentication_failures: 14
                sessions: 15
                sessions_per_address: 16
              checkpoint: { keep: 6s, limit: 17, limit_per_address: 18, memory: 5KB, disk: 6MB }
              timeouts: { idle: 1m, linger: 2s, question: 3s, acceptance: 4s, resolution: 5s }
            """)
        #expect(configuration.listeners.map(\.kind) == [.relay, .submission, .submissions, .lmtp])
        #expect(configuration.certificate?.chain == file && configuration.postmaster == "root@example.test")
        #expect(configuration.spoolDirectory == "/var/spool/martlet" && configuration.eventLoops == 3)
        #expect(
            configuration.limits
                == Limits(
                    messageOctets: 1 << 20, discardedOctets: 2 << 20, commandLineOctets: 1_024,
                    authenticationLineOctets: 4_096, recipients: 10, transactions: 11, errors: 12, idleCommands: 13,
                    authenticationFailures: 14, sessions: 15, sessionsPerAddress: 16, memoryOctets: 65_536,
                    checkpoints: CheckpointLimits(
                        keep: .seconds(6), count: 17, countPerAddress: 18, memoryOctets: 5 << 10,
                        diskOctets: 6 << 20)))
        #expect(
            configuration.timeouts
                == Timeouts(
                    idle: .seconds(60), linger: .seconds(2), question: .seconds(3), acceptance: .seconds(4),
                    resolution: .seconds(5), proxyHeader: .seconds(6)))
        #expect(configuration.trustedProxies.map(\.description) == ["10.0.0.0/8", "::1/128"])
    }

    @Test(
        "What cannot be is refused with a line that names the key",
        arguments: [
            ("submission: { listen: [\"127.0.0.1:587\"] }", "submission.listen"),
            ("submissions: { listen: [\"127.0.0.1:465\"] }", "submissions.listen"),
            ("tls: { certificate: \(#filePath) }", "tls.key"), ("tls: { key: \(#filePath) }", "tls.certificate"),
            ("tls: { certificate: /nowhere/cert.pem, key: /dev/null }", "tls.certificate"),
            ("relay: { listen: [\"nonsense\"] }", "relay.listen"), ("limits: { recipients: 0 }", "limits.recipients"),
            ("proxy: { trusted: [10.0.0.0/33] }", "proxy.trusted"), ("proxy: { timeout: 0s }", "proxy.timeout"),
            ("limits: { memory: 1GB }", "limits.memory"), ("colour: blue", "colour"),
        ])
    func refused(line: String, key: String) {
        do {
            _ = try load("smtp-ingress:\n  \(line)\n")
            Issue.record("accepted")
        } catch {
            let text = "\(error)"
            #expect(text.contains(key) && !text.contains("\n"), "\(text)")
        }
    }
}
