import ArgumentParser
import Glibc
import Logging
import Messaging
import Metrics
import ServiceLifecycle
import UnixSignals

/// How every executable starts and stops.
///
/// It reads the command line and the configuration, sets up log, metrics and messaging, makes the service's parts, and
/// runs them as one group until SIGTERM or SIGINT. The service starts whether its peers are there or not; what it waits
/// for stands in its log and its health.
public enum ServiceProcess {
    /// Status of a process that refuses to start until somebody mends its configuration (sysexits.h, EX_CONFIG).
    public static let refusalStatus: Int32 = 78

    /// Runs the service and leaves the process.
    /// - Parameters:
    ///   - name: the service and its section in the configuration, for example `smtp-ingress`.
    ///   - configuration: the type of its configuration.
    ///   - parts: makes what runs. The parts are shut down one after another, the last of the array first.
    public static func run<Configuration: ServiceConfiguration>(
        name: String, configuration: Configuration.Type,
        _ parts: @Sendable (ServiceRuntime<Configuration>) async throws -> [any Service]
    ) async -> Never {
        let arguments = ServiceArguments<Configuration>.parseOrExit()
        if let format = arguments.printConfiguration {
            print(ConfigurationReference(service: name, keys: Configuration.keys).text(format), terminator: "")
            exit(0)
        }
        do {
            try await start(name: name, arguments: arguments, parts)
            leave(0)
        } catch let error as ConfigurationError {
            refuse(error.description)
        } catch let error as StartRefusal {
            refuse(error.description)
        } catch {
            Logger(label: name).critical("failed", metadata: ["error": "\(error)"])
            leave(1)
        }
    }

    /// The log of this process.
    private static let log = LogWriter { count in
        Logger(label: "log").warning("log lines were lost", metadata: ["lines": "\(count)"])
    }

    private static func leave(_ status: Int32) -> Never {
        log.flush()
        exit(status)
    }

    /// What a program that is no service reads of the configuration: the common keys and its own section.
    public static func readConfiguration<Configuration: ServiceConfiguration>(
        service: String, as type: Configuration.Type, file: String?
    ) throws(ConfigurationError) -> (common: CommonConfiguration, own: Configuration) {
        let environment = ProcessEnvironment.current
        let loader = ConfigurationLoader(service: service, keys: Configuration.keys, environment: environment)
        let loaded = try loader.load(path: ConfigurationPath.resolved(file, environment: environment))
        return (try CommonConfiguration(from: loaded.common), try Configuration(from: loaded.section))
    }

    private static func refuse(_ line: String) -> Never {
        log.flush()
        LogOutput.standardError.write(Array("\(ServiceArguments<NoConfiguration>.programName): \(line)\n".utf8))
        exit(refusalStatus)
    }

    private static func start<Configuration: ServiceConfiguration>(
        name: String, arguments: ServiceArguments<Configuration>,
        _ parts: @Sendable (ServiceRuntime<Configuration>) async throws -> [any Service]
    ) async throws {
        let startedAt = WallClock.microseconds
        let environment = ProcessEnvironment.current
        let path = ConfigurationPath.resolved(arguments.config, environment: environment)
        let loader = ConfigurationLoader(service: name, keys: Configuration.keys, environment: environment)
        let loaded = try loader.load(path: path)
        let common = try CommonConfiguration(from: loaded.common)
        let configuration = try Configuration(from: loaded.section)
        if arguments.checkConfig {
            print("\(path): martlet-\(name) can use this configuration")
            return
        }

        signal(SIGPIPE, SIG_IGN)
        raiseDescriptorLimit()
        let level = LogLevelSwitch(Logger.Level(rawValue: common.logLevel) ?? .info)
        let replica = arguments.replica
        LoggingSystem.bootstrap { _ in
            LogfmtHandler(service: name, replica: replica, level: level, output: log.output)
        }
        let metrics = PrometheusRegistry(labels: [("service", name), ("replica", "\(replica)")])
        MetricsSystem.bootstrap(metrics)
        let logger = Logger(label: name)
        logger.notice(
            "starting", metadata: ["version": "\(MartletVersion.current)", "pid": "\(getpid())", "config": "\(path)"])

        let notifier = SystemdNotifier(environment: environment)
        let health = HealthRegistry(logger: logger, isComplete: false)
        let connections = try ServiceConnections(name: name, common: common, logger: logger)
        let runtime = ServiceRuntime(
            name: name, replica: replica, configuration: configuration, logger: logger, health: health, common: common,
            connections: connections, activation: SocketActivation(environment: environment),
            reload: ReloadRegistry<Configuration>(), startedAt: startedAt)
        var own = try await parts(runtime)
        // Every process answers how it is, also one that serves nothing else.
        if !runtime.isServing.load(ordering: .relaxed) { own.insert(try runtime.server([]), at: 0) }

        let pages = HealthPages(health: health, metrics: metrics, startedAt: startedAt)
        let first: [any Service] = [
            HealthPageServer(
                address: common.health, path: "\(common.messagingDirectory)/\(name).\(replica).http",
                replica: replica, pages: pages, logger: logger),
            NotifierService(notifier: notifier, health: health),
            ReloadService(
                loader: loader, path: path, inForce: loaded, level: level, registry: runtime.reload,
                notifier: notifier, logger: logger),
        ]
        let last: [any Service] = [
            PeerWatch(connections: connections, health: health),
            DrainService(notifier: notifier, health: health, limit: common.drainLimit, logger: logger),
        ]
        var group = ServiceGroupConfiguration(
            services: (first + own + last).map {
                .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: name, factory: { _ in SilentHandler() })
        )
        group.maximumGracefulShutdownDuration = common.drainLimit
        try await ServiceGroup(configuration: group).run()
        await connections.close()
        logger.notice("stopped")
    }

    /// Sessions are descriptors: takes as many as the system lets this process have.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Keeps the group's own events out of the log: what matters of them the runtime says itself, in one line each.
private struct SilentHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .critical

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {}
}
