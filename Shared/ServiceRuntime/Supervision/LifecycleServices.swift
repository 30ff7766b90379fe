import Glibc
import Logging
import ServiceLifecycle

/// Tells the supervisor when the service is ready and, while the process can still run a task, that it lives.
struct NotifierService: Service {
    var notifier: SystemdNotifier
    var health: HealthRegistry

    func run() async throws {
        let notifier = notifier
        health.observe { isReady in
            if isReady { notifier.send("READY=1", "STATUS=ready") }
        }
        guard let interval = notifier.watchdogInterval else { return try await gracefulShutdown() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                notifier.send("WATCHDOG=1")
                try? await Task.sleep(for: interval)
            }
        }
    }
}

/// The last service of the group, and so the first that is told to shut down: from then on the process is not ready,
/// and it does not outlive its limit whatever hangs.
struct DrainService: Service {
    var notifier: SystemdNotifier
    var health: HealthRegistry
    var limit: Duration
    var logger: Logger

    func run() async throws {
        try? await gracefulShutdown()
        logger.notice("draining", metadata: ["limit": "\(Quantity.text(of: limit))"])
        health.drain()
        notifier.send("STOPPING=1")
        // The group cancels what is not finished within the limit. Should even that hang, the kernel ends the process.
        alarm(UInt32(clamping: limit.components.seconds + 5))
    }
}

/// Keeps one condition for each peer: met while a replica of it can be reached.
struct PeerWatch: Service {
    var connections: ServiceConnections
    var health: HealthRegistry
    var interval: Duration = .milliseconds(200)

    func run() async throws {
        let watched = connections.peers.map { peer in
            (peer.client, health.condition(peer.service, waitingFor: Self.sentence(peer.service)), peer.service)
        }
        health.announce()
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                for (client, condition, service) in watched {
                    if client.isAvailable {
                        condition.ready()
                    } else {
                        condition.waiting(for: Self.sentence(service))
                    }
                }
                try? await Task.sleep(for: interval)
            }
        }
    }

    private static func sentence(_ service: String) -> String { "\(service): no replica can be reached" }
}
