import Contracts
import Foundation
import Messaging
import ServiceRuntime

/// Asks every replica of every service at once how it is.
struct ServiceSurvey: Sendable {
    /// One replica to ask.
    struct Question: Sendable {
        var endpoint: String
        var ask: @Sendable (CallContext) async throws -> HealthReply
    }

    /// Services of which at least one replica should be there.
    var expected: [String]
    /// How long a replica may take to answer before it counts as one that does not.
    var patience: Duration = .seconds(2)
    /// The replicas of a service, as they are now.
    var replicas: @Sendable (String) -> [Question]

    init(
        expected: [String], patience: Duration = .seconds(2), replicas: @escaping @Sendable (String) -> [Question]
    ) {
        self.expected = expected
        self.patience = patience
        self.replicas = replicas
    }

    /// How everything is now.
    func page() async -> StatusPage {
        let unexpected = CommonConfiguration.services.filter { !expected.contains($0) && !replicas($0).isEmpty }
        var services: [ServicePage] = []
        for service in expected + unexpected {
            services.append(await self.page(of: service, isExpected: expected.contains(service)))
        }
        return StatusPage(ready: services.allSatisfy(\.ready), services: services)
    }

    private func page(of service: String, isExpected: Bool) async -> ServicePage {
        let questions = replicas(service)
        let pages = await withTaskGroup(of: (Int, ReplicaPage).self) { group in
            for (index, question) in questions.enumerated() {
                group.addTask { (index, await page(of: question)) }
            }
            var pages: [(Int, ReplicaPage)] = []
            for await page in group { pages.append(page) }
            return pages.sorted { $0.0 < $1.0 }.map(\.1)
        }
        return ServicePage(
            service: service, expected: isExpected,
            ready: !pages.isEmpty && pages.allSatisfy { $0.state == .ready }, replicas: pages)
    }

    private func page(of question: Question) async -> ReplicaPage {
        do {
            let reply = try await question.ask(CallContext(timeout: patience))
            return ReplicaPage(
                replica: Int(reply.replica), state: reply.ready ? .ready : .waiting, waitingFor: reply.waitingFor,
                endpoint: question.endpoint, version: reply.version,
                startedAt: WallClock.text(microseconds: reply.startedAt), processId: Int(reply.processID))
        } catch {
            return ReplicaPage(
                replica: Self.replica(in: question.endpoint), state: .noAnswer, waitingFor: ["\(error)"],
                endpoint: question.endpoint, version: nil, startedAt: nil, processId: nil)
        }
    }

    /// The number in `ipc://…/storage.0.sock`.
    private static func replica(in endpoint: String) -> Int? {
        guard endpoint.hasSuffix(".sock") else { return nil }
        return endpoint.dropLast(".sock".count).split(separator: ".").last.flatMap { Int($0) }
    }
}

/// What `martlet status` answers.
struct StatusPage: Encodable, Equatable {
    var ready: Bool
    var services: [ServicePage]

    /// What is not ready, in one line.
    var awaited: String {
        services.filter { !$0.ready }.map { service in
            let reasons = service.replicas.filter { $0.state != .ready }.flatMap { replica in
                replica.state == .noAnswer ? ["no answer"] : replica.waitingFor
            }
            return reasons.isEmpty ? service.service : "\(service.service) (\(reasons.joined(separator: "; ")))"
        }.joined(separator: ", ")
    }
}

/// One service.
struct ServicePage: Encodable, Equatable {
    var service: String
    /// Whether at least one replica should be there.
    var expected: Bool
    var ready: Bool
    var replicas: [ReplicaPage]
}

/// One process.
struct ReplicaPage: Encodable, Equatable {
    enum State: String, Encodable {
        case ready
        case waiting
        case noAnswer = "no_answer"
    }

    var replica: Int?
    var state: State
    /// What it waits for, or why there is no answer.
    var waitingFor: [String]
    var endpoint: String
    var version: String?
    var startedAt: String?
    var processId: Int?
}
