import Contracts
import NIOPosix
import TestSupport

/// A running IMAP service with its three peers as stubs, which keep a mailbox in memory.
struct AccessHouse: Sendable {
    let house: House
    /// Plays storage and content processing.
    let store: MemoryStore
    let sasl: MemorySasl
    let storage: StubService
    let content: StubService
    let authentication: StubService
    private let process: Mutexed<RunningExecutable>

    /// - Parameter lines: more lines of its section of the configuration.
    static func run(adding lines: [String] = [], _ body: (AccessHouse) async throws -> Void) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.sections[Executable.access.service, default: []] += lines }
            let (store, sasl) = (MemoryStore(), MemorySasl())
            let storage = try house.stub(.storage, [MailStoreServer(store)])
            let content = try house.stub(.content, [AcceptanceServer(store)], handlers: .concurrent)
            let authentication = try house.stub(.authentication, [SaslServer(sasl)])
            store.changed.withLock { $0 = { [weak storage] in storage?.publish($0) } }
            let started = try await house.ready(.access)
            try await body(
                AccessHouse(
                    house: house, store: store, sasl: sasl, storage: storage, content: content,
                    authentication: authentication, process: Mutexed(started)))
        }
    }

    static func message(_ number: Int) -> String {
        "Subject: message \(number)\r\n\r\n" + String(repeating: "some line of text\r\n", count: 50)
    }

    var running: RunningExecutable { process.value }

    /// kill -9, and a new process at once.
    func restart() async throws {
        try await running.kill()
        process.value = try house.start(.access)
    }

    /// A client that has read the greeting; waits for the port to be served.
    func connect(_ listener: String, preface: [UInt8] = []) async throws -> IMAPClient {
        let address = try house.port(listener).address
        let client = try await eventually("somebody at \(listener)") {
            try? await IMAPClient(
                address, on: MultiThreadedEventLoopGroup.singleton, tls: listener == "imaps", preface: preface)
        }
        _ = try await client.line()
        return client
    }

    /// A client that has logged in over TLS.
    func login(preface: [UInt8] = []) async throws -> IMAPClient {
        let client = try await connect("imaps", preface: preface)
        try await client.ok("LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\"")
        return client
    }
}
