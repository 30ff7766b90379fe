import Contracts
import Foundation
import Messaging
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

/// A home (`MARTLET_HOME`) for the executables of one test: configuration, CURVE keys, a certificate, sockets and ports
/// of its own, and the stubs of the peers. All of it ends with the test, however that ends.
final class House: Sendable {
    let path: String
    /// What is written before each program starts.
    let configuration: Mutex<HouseConfiguration>
    private let directory: TemporaryDirectory
    private let keys: KeyDirectory
    private let janitor: Janitor
    private let ports: [String: ReservedPort]
    private let inhabitants = Mutex(Inhabitants())

    private struct Inhabitants {
        var started: [RunningExecutable] = []
        var stubs: [StubService] = []
        var clients: [PeerClient] = []
        /// By the name of the service whose key they hold.
        var contexts: [String: MessagingContext] = [:]
    }

    private init() throws {
        directory = try TemporaryDirectory()
        path = directory.path
        // Ends what is still running should this process not come to do it: the names of the files are the ids.
        janitor = try Janitor(
            of: path,
            script: """
                for process in "$0"/processes/*; do
                    if [ -e "$process" ]; then kill -KILL "${process##*/}"; fi
                done
                rm -rf "$0"
                """)
        for folder in ["processes", "run", "tls", "log", "spool"] {
            try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
        }
        keys = KeyDirectory(path: "\(path)/keys")
        _ = try keys.generate(ContractAccess.services)
        let identity = try TestCertificate.files()
        try FileManager.default.copyItem(atPath: identity.certificateChainFile, toPath: "\(path)/tls/server.pem")
        try FileManager.default.copyItem(atPath: identity.privateKeyFile, toPath: "\(path)/tls/server.key")
        var ports: [String: ReservedPort] = [:]
        for name in ["relay", "submission", "submissions", "lmtp", "imap", "imaps"] { ports[name] = try ReservedPort() }
        self.ports = ports
        var configuration = HouseConfiguration()
        configuration.listen(at: ports, certificate: "tls/server.pem", key: "tls/server.key")
        self.configuration = Mutex(configuration)
    }

    /// Tests run in parallel, but not all of them at once: deadlines are to measure the programs, not the machine.
    private static let permits = Permits(6)

    /// Runs `body` in a house of its own; what programs wrote is shown when it throws.
    static func run(_ body: (House) async throws -> Void) async throws {
        await permits.take()
        defer { permits.giveBack() }
        let house = try await blocking { try House() }
        do {
            try await body(house)
        } catch {
            Issue.record(error, Comment(rawValue: house.log))
        }
        await house.end()
    }

    private var log: String {
        inhabitants.withLock(\.started).map { started in
            "\(started.executable.name) wrote:\n"
                + started.errors.split(separator: "\n").suffix(30).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private func end() async {
        let last = inhabitants.withLock { inhabitants in
            defer { inhabitants = Inhabitants() }
            return inhabitants
        }
        for started in last.started { started.process.signal(SIGKILL) }
        try? await blocking { [path] in
            for process in last.started.map(\.process) {
                process.wait()
                try? FileManager.default.removeItem(atPath: "\(path)/processes/\(process.processID)")
            }
        }
        for client in last.clients { await client.close() }
        for stub in last.stubs { await stub.stop() }
        for context in last.contexts.values { await context.shutdown() }
        try? await blocking { [janitor] in janitor.dismiss() }
    }

    // MARK: Programs

    /// Writes the configuration and starts a program with it.
    func start(
        _ executable: Executable, _ arguments: [String] = [], input: String? = nil, isConfined: Bool = false
    ) throws -> RunningExecutable {
        let text = configuration.withLock(\.text)
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/martlet.yaml"))
        var environment = ProcessInfo.processInfo.environment
            .filter {
                !$0.key.hasPrefix("MARTLET_") && !["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"].contains($0.key)
            }
        environment["MARTLET_HOME"] = path
        return try inhabitants.withLock { inhabitants in
            let started = try RunningExecutable(
                executable, arguments, environment: environment, input: input, folder: "\(path)/log",
                label: "\(inhabitants.started.count)-\(executable.name)", isConfined: isConfined)
            inhabitants.started.append(started)
            _ = FileManager.default.createFile(
                atPath: "\(path)/processes/\(started.process.processID)", contents: nil)
            return started
        }
    }

    /// Starts a service and waits until it is ready.
    func ready(_ executable: Executable) async throws -> RunningExecutable {
        let started = try start(executable)
        try await started.untilReady()
        return started
    }

    /// Runs a program to its end.
    func run(
        _ executable: Executable, _ arguments: [String], input: String? = nil, isConfined: Bool = false
    ) async throws -> (end: ChildProcess.End, output: String, errors: String) {
        let started = try start(executable, arguments, input: input, isConfined: isConfined)
        let end = try await started.end()
        return (end, started.output, started.errors)
    }

    // MARK: Peers

    /// A stub of the service of this name, which is there until it is stopped.
    /// - Parameter handlers: where it works; on its own thread it answers in time whatever other tests compute, and much
    ///   of its own work is better done elsewhere.
    @discardableResult
    func stub(
        _ executable: Executable, _ contracts: [any ContractServer], handlers: HandlerPlacement = .onSocketThread
    ) throws -> StubService {
        let stub = StubService(
            name: executable.service, context: try context(of: executable.service), directory: "\(path)/run",
            contracts: contracts, peers: try keys.peers(of: ContractAccess.services), handlers: handlers)
        try stub.start()
        inhabitants.withLock { $0.stubs.append(stub) }
        return stub
    }

    /// The way to a service for who holds the key of `caller`.
    func client(to executable: Executable, as caller: String) throws -> PeerClient {
        let client = try PeerClient(
            context(of: caller), service: executable.service, replicas: .directory("\(path)/run"),
            serverKey: keys.publicKey(of: executable.service))
        inhabitants.withLock { $0.clients.append(client) }
        return client
    }

    /// What a service announces to who holds the key of `caller`.
    func subscriber(to executable: Executable, as caller: String) throws -> EventSubscriber {
        try EventSubscriber(
            context(of: caller), service: executable.service, replicas: .directory("\(path)/run"),
            serverKey: keys.publicKey(of: executable.service))
    }

    /// Waits until the test's own clients have found the processes that they are for.
    func untilReached() async throws {
        for client in inhabitants.withLock(\.clients) {
            try await eventually("\(client.service) to be reached") { client.isAvailable }
        }
    }

    /// Waits until the service is ready, and found by the test's own clients.
    func untilServed(by started: RunningExecutable) async throws {
        try await started.untilReady()
        try await untilReached()
    }

    private func context(of name: String) throws -> MessagingContext {
        try inhabitants.withLock { inhabitants in
            if let known = inhabitants.contexts[name] { return known }
            let context = try MessagingContext(keys: keys.pair(of: name), logger: .quiet)
            inhabitants.contexts[name] = context
            return context
        }
    }

    /// Where the listener of this name is: `relay`, `imaps`.
    func port(_ name: String) throws -> ReservedPort {
        guard let port = ports[name] else { throw TestFailure("there is no listener \(name)") }
        return port
    }
}
