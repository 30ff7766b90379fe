import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// What runs when a service is asked to read its configuration again.
final class ReloadRegistry<Configuration: Sendable>: Sendable {
    typealias Hook = @Sendable (Configuration) async throws -> Void

    private let hooks = Mutex<[Hook]>([])

    func add(_ hook: @escaping Hook) { hooks.withLock { $0.append(hook) } }

    /// Runs every hook, one after another; one that fails does not keep the others from running.
    func run(with configuration: Configuration, logger: Logger) async {
        for hook in hooks.withLock({ $0 }) {
            do {
                try await hook(configuration)
            } catch {
                logger.error("reload failed, what was in force stays", metadata: ["error": "\(error)"])
            }
        }
    }
}

/// On SIGHUP: reads file and environment again, brings the log level into force, and runs the hooks. A configuration
/// that cannot be used changes nothing and is logged with its one line.
struct ReloadService<Configuration: ServiceConfiguration>: Service {
    var loader: ConfigurationLoader
    var path: String
    var inForce: ConfigurationLoader.Loaded
    var level: LogLevelSwitch
    var registry: ReloadRegistry<Configuration>
    var notifier: SystemdNotifier
    var logger: Logger

    func run() async throws {
        var inForce = inForce
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            notifier.send("RELOADING=1")
            await reload(&inForce)
            notifier.send("READY=1")
        }
    }

    /// One reload; the tests call it without a signal.
    func reload(_ inForce: inout ConfigurationLoader.Loaded) async {
        do throws(ConfigurationError) {
            let new = try loader.load(path: path)
            let common = try CommonConfiguration(from: new.common)
            let configuration = try Configuration(from: new.section)
            for key in Self.changedKeysThatNeedRestart(inForce, new) {
                logger.warning("a changed key needs a restart", metadata: ["key": "\(key)"])
            }
            inForce = new
            if let level = Logger.Level(rawValue: common.logLevel) { self.level.level = level }
            await registry.run(with: configuration, logger: logger)
            logger.notice("configuration reloaded", metadata: ["file": "\(path)"])
        } catch {
            logger.error(
                "the configuration cannot be used, the one in force stays", metadata: ["error": "\(error)"])
        }
    }

    static func changedKeysThatNeedRestart(
        _ old: ConfigurationLoader.Loaded, _ new: ConfigurationLoader.Loaded
    ) -> [String] {
        func changed(_ old: ConfigurationValues, _ new: ConfigurationValues) -> [String] {
            new.entries.values
                .filter { !$0.isReloadable }
                .filter { entry in !old.entries.values.contains { $0.key == entry.key && $0.value == entry.value } }
                .map(\.key)
        }
        return (changed(old.common, new.common) + changed(old.section, new.section)).sorted()
    }
}
