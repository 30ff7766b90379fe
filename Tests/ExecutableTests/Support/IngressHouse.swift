import Contracts
import Messaging
import SMTPSyntax
import Synchronization
import TestSupport

/// A running ingress with its three peers as stubs.
struct IngressHouse: Sendable {
    let house: House
    /// What the stubs were asked.
    let record: PeerRecord
    let storage: StubService
    let content: StubService
    let authentication: StubService
    private let process: Mutexed<RunningExecutable>

    /// - Parameters:
    ///   - gate: is waited for by content processing before each answer.
    ///   - isAlone: the peers are not there yet.
    ///   - lines: more lines of its section of the configuration.
    static func run(
        gate: Gate? = nil, isAlone: Bool = false, adding lines: [String] = [],
        _ body: (IngressHouse) async throws -> Void
    ) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.sections[Executable.ingress.service, default: []] += lines }
            let record = PeerRecord()
            let storage = try house.stub(.storage, [DirectoryServer(RecordingDirectory(record: record))])
            let content = try house.stub(
                .content, [AcceptanceServer(RecordingAcceptance(record: record, gate: gate))])
            let authentication = try house.stub(.authentication, [SaslServer(RecordingSasl(record: record))])
            if isAlone { for stub in [storage, content, authentication] { await stub.stop() } }
            let started = try house.start(.ingress)
            if !isAlone { try await started.untilReady() }
            try await body(
                IngressHouse(
                    house: house, record: record, storage: storage, content: content, authentication: authentication,
                    process: Mutexed(started)))
        }
    }

    var running: RunningExecutable { process.value }

    /// kill -9, and a new process at once.
    func restart() async throws {
        try await running.kill()
        process.value = try house.start(.ingress)
    }

    func startPeers() throws { for stub in [storage, content, authentication] { try stub.start() } }

    /// A session that has been greeted and has greeted, over TLS where users submit; waits for the port to be served.
    func session(_ listener: String, preface: [UInt8] = []) async throws -> SMTPClient {
        let address = try house.port(listener).address
        let client = try await eventually("somebody at \(listener)") {
            try? await SMTPClient.connect(address, implicitTLS: listener == "submissions", preface: preface)
        }
        if listener == "submissions" { _ = try await client.handshake() }
        _ = try await client.reply()
        let greeting = listener == "lmtp" ? "LHLO client.example" : "EHLO client.example"
        _ = try await client.command(greeting)
        if listener == "submission" {
            _ = try await client.startTLS()
            _ = try await client.command(greeting)
        }
        return client
    }
}

/// A value that a test replaces while tasks read it.
final class Mutexed<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    var value: Value {
        get { mutex.withLock { $0 } }
        set { mutex.withLock { $0 = newValue } }
    }
}

/// A reply that is no success.
struct UnexpectedReply: Error {
    let reply: Reply
}

extension SMTPClient {
    /// Sends a message to bob and returns under which name it was taken.
    func deliver(_ message: String) async throws -> String {
        try await send("MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        for _ in 1...3 {
            let reply = try await reply()
            guard reply.code < 400 else { throw UnexpectedReply(reply: reply) }
        }
        try await send(message + ".\r\n")
        let reply = try await reply()
        guard reply.code == 250 else { throw UnexpectedReply(reply: reply) }
        return reply.lines.joined()
    }
}
