import Foundation
import Glibc
import Logging
import Messaging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite("Words with the supervisor")
struct SystemdTests {
    @Test("Readiness arrives at NOTIFY_SOCKET as one datagram")
    func notify() throws {
        let folder = try TemporaryDirectory()
        let path = "\(folder.path)/notify"
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        try #require(isBound)
        let notifier = SystemdNotifier(environment: ["NOTIFY_SOCKET": path])
        #expect(notifier.send("READY=1", "STATUS=ready"))
        var octets = [UInt8](repeating: 0, count: 100)
        let count = recv(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT))
        #expect(String(decoding: octets[..<max(count, 0)], as: UTF8.self) == "READY=1\nSTATUS=ready")
    }

    @Test("Without a supervisor nothing is said, and a supervisor that is gone does no harm")
    func nobody() {
        #expect(!SystemdNotifier(environment: [:]).send("READY=1"))
        #expect(!SystemdNotifier(environment: ["NOTIFY_SOCKET": "/nowhere/notify"]).send("READY=1"))
        #expect(!SystemdNotifier(environment: ["NOTIFY_SOCKET": String(repeating: "x", count: 500)]).send("READY=1"))
    }

    @Test("The watchdog is told twice in its interval, when it is this process that it watches")
    func watchdog() {
        let ours = SystemdNotifier(environment: ["WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "\(getpid())"])
        #expect(ours.watchdogInterval == .seconds(5))
        #expect(
            SystemdNotifier(environment: ["WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"]).watchdogInterval == nil)
        #expect(SystemdNotifier(environment: ["WATCHDOG_USEC": "soon"]).watchdogInterval == nil)
    }

    @Test("Sockets that the supervisor opened are found by name")
    func activation() {
        let environment = ["LISTEN_PID": "77", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "smtp:smtp:submission"]
        let activation = SocketActivation(environment: environment, processID: 77)
        #expect(activation.sockets(named: "smtp") == [3, 4])
        #expect(activation.sockets(named: "submission") == [5])
        #expect(activation.sockets(named: "imap").isEmpty)
        #expect(SocketActivation(environment: environment, processID: 78).descriptors.isEmpty)
        #expect(
            SocketActivation(environment: ["LISTEN_PID": "77", "LISTEN_FDS": "-1"], processID: 77).descriptors.isEmpty)
    }
}

@Suite("SIGHUP")
struct ReloadTests {
    struct Policy: ServiceConfiguration {
        static let keys: [ConfigurationKey] = [
            .octets("limit", default: 1_024, "Limit.", reloadable: true), .integer("threads", default: 1, "Threads."),
        ]
        let limit: Int

        init(from values: ConfigurationValues) throws(ConfigurationError) {
            limit = try values.octets("limit")
            guard limit != 13 else { throw values.error("limit", "expected another number") }
        }
    }

    private let folder: TemporaryDirectory
    private let path: String
    private let lines = Lines()
    private let level = LogLevelSwitch(.info)
    private let registry = ReloadRegistry<Policy>()
    private let loader = ConfigurationLoader(service: "storage", keys: Policy.keys, environment: [:])

    init() throws {
        folder = try TemporaryDirectory()
        path = try folder.write("storage: { limit: 2KB }", to: "martlet.yaml")
    }

    private func reload() async throws {
        let level = level
        let output = lines.output
        let logger = Logger(label: "test") { _ in
            LogfmtHandler(service: "storage", replica: 0, level: level, output: output)
        }
        var inForce = try loader.load(ConfigurationFile(path: path, octets: Array("storage: { limit: 2KB }".utf8)))
        await ReloadService(
            loader: loader, path: path, inForce: inForce, level: level, registry: registry,
            notifier: SystemdNotifier(environment: [:]), logger: logger
        ).reload(&inForce)
    }

    @Test("brings new values and the log level into force")
    func newValues() async throws {
        let shared = Shared()
        registry.add { configuration in shared.append(configuration.limit) }
        try folder.write("log: { level: debug }\nstorage: { limit: 4KB }", to: "martlet.yaml")
        try await reload()
        #expect(shared.all == [4_096])
        #expect(level.level == .debug)
    }

    @Test(
        "with a file that cannot be used leaves everything as it was and says why",
        arguments: [
            "storage: { limit: wide }", "storage: { limit: 13 }", "stroage: {}", "log: { level: [",
        ])
    func badFile(yaml: String) async throws {
        let shared = Shared()
        registry.add { configuration in shared.append(configuration.limit) }
        try folder.write(yaml, to: "martlet.yaml")
        try await reload()
        #expect(shared.all.isEmpty)
        #expect(lines.all.count == 1)
        #expect(lines.all.first?.contains("level=error") == true)
        #expect(lines.all.first?.contains("martlet.yaml") == true)
    }

    @Test("says which changed keys need a restart")
    func restart() async throws {
        try folder.write("messaging: { directory: elsewhere }\nstorage: { threads: 4 }", to: "martlet.yaml")
        try await reload()
        let warned = lines.all.filter { $0.contains("needs a restart") }
        #expect(warned.count == 2)
        #expect(warned.contains { $0.contains("key=messaging.directory") })
        #expect(warned.contains { $0.contains("key=storage.threads") })
    }

    @Test("runs every hook, also after one that fails")
    func failingHook() async throws {
        struct NoCertificate: Error {}
        let shared = Shared()
        registry.add { _ in throw NoCertificate() }
        registry.add { configuration in shared.append(configuration.limit) }
        try await reload()
        #expect(shared.all == [2_048])
        #expect(lines.all.contains { $0.contains("level=error") && $0.contains("NoCertificate") })
    }

    final class Shared: Sendable {
        private let seen = Mutex<[Int]>([])
        var all: [Int] { seen.withLock { $0 } }
        func append(_ number: Int) { seen.withLock { $0.append(number) } }
    }
}

@Suite("The folder of keys")
struct KeyDirectoryTests {
    @Test("Keys are made once, secret ones for their owner only, and match")
    func generate() throws {
        let folder = try TemporaryDirectory()
        let directory = KeyDirectory(path: "\(folder.path)/keys")
        let first = try directory.generate(["storage", "martlet"])
        #expect(first == KeyDirectory.Generated(made: ["storage", "martlet"], kept: []))
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/keys/storage.key")
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let pair = try directory.pair(of: "storage")
        #expect(try directory.publicKey(of: "storage") == pair.publicKey)

        unlink("\(folder.path)/keys/storage.pub")
        let second = try directory.generate(["storage", "martlet", "imap-access"])
        #expect(second == KeyDirectory.Generated(made: ["imap-access"], kept: ["storage", "martlet"]))
        #expect(try directory.publicKey(of: "storage") == pair.publicKey)
        #expect(
            try directory.peers(of: ["storage", "imap-access", "nobody"]).values.map(\.service).sorted()
                == ["imap-access", "storage"])
    }

    @Test("A key that is missing, damaged or open to others is refused with the file and what to do")
    func refusals() throws {
        let folder = try TemporaryDirectory()
        let directory = KeyDirectory(path: folder.path)
        let missing = #expect(throws: StartRefusal.self) { try directory.pair(of: "storage") }
        #expect(
            try #require(missing).description
                == "\(folder.path)/storage.key: No such file or directory: make the keys with "
                + "`martlet keys generate \(folder.path)`")
        try folder.write("not a key", to: "storage.key")
        chmod("\(folder.path)/storage.key", 0o600)
        let damaged = #expect(throws: StartRefusal.self) { try directory.pair(of: "storage") }
        #expect(try #require(damaged).description.hasPrefix("\(folder.path)/storage.key: expected a CURVE secret key"))
        chmod("\(folder.path)/storage.key", 0o644)
        let open = #expect(throws: StartRefusal.self) { try directory.pair(of: "storage") }
        #expect(try #require(open).description.contains("chmod 600"))
    }
}

@Suite("Places to listen at")
struct ListenAddressTests {
    @Test(
        arguments: [
            ("0.0.0.0:25", ListenAddress.network(host: "0.0.0.0", port: 25)),
            ("[::1]:587", .network(host: "::1", port: 587)), ("localhost:0", .network(host: "localhost", port: 0)),
            ("unix:/run/lmtp", .unix(path: "/run/lmtp")), ("systemd:smtp", .activated(name: "smtp")),
        ])
    func readsWhatItPrints(text: String, address: ListenAddress) {
        #expect(ListenAddress(text) == address)
        #expect(address.description == text)
    }

    @Test(arguments: ["", "25", ":25", "a:", "a:65536", "a:-1", "::1:25", "unix:", "systemd:", "[::1]"])
    func refusesOthers(text: String) { #expect(ListenAddress(text) == nil) }

    @Test("A path that does not fit into a socket's address is refused")
    func longPath() { #expect(ListenAddress("unix:/" + String(repeating: "x", count: 200)) == nil) }
}
