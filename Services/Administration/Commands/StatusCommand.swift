import ArgumentParser
import Contracts
import ServiceRuntime

/// `martlet status`
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show each service and replica: ready, or what it waits for.",
        discussion: """
            Asks every replica that has an endpoint, and shows services that should be there and are not. The exit \
            status is 0 when every service has a replica and all replicas are ready, else 69.

            EXAMPLES
              martlet status
              martlet status --wait 60s && echo "mail flows"
              martlet status --json | jq -r '.services[] | select(.ready | not) | .service'
            """)

    @Option(
        help: ArgumentHelp(
            "Wait at most this long until all is ready, telling meanwhile what is awaited.", valueName: "time"))
    var wait: TimeLimit?
    @OptionGroup var options: CommonOptions

    mutating func run() async throws {
        let command = self
        try await Failure.reporting(json: options.json) {
            let connection = try Connection(config: command.options.config)
            let survey = ServiceSurvey(expected: connection.configuration.expected) { service in
                connection.connections.endpoints(of: service).map { endpoint in
                    ServiceSurvey.Question(endpoint: endpoint) { context in
                        let client = try connection.connections.replica(endpoint, of: service)
                        do {
                            let reply = try await HealthClient(client).check(HealthRequest(), context)
                            await client.close()
                            return reply
                        } catch {
                            await client.close()
                            throw error
                        }
                    }
                }
            }
            do {
                try await command.execute(survey, Terminal(isJSON: command.options.json))
                await connection.close()
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    func execute(_ survey: ServiceSurvey, _ terminal: Terminal) async throws {
        let deadline = ContinuousClock.now.advanced(by: wait?.duration ?? .zero)
        var told: String?
        var page = await survey.page()
        while !page.ready, ContinuousClock.now < deadline {
            let awaited = page.awaited
            if awaited != told { terminal.note("waiting for \(awaited)") }
            told = awaited
            try await Task.sleep(for: .milliseconds(250))
            page = await survey.page()
        }
        terminal.answer(page, Self.table(page))
        if !page.ready { throw ExitCode(Failure.Status.unavailable.rawValue) }
    }

    private static func table(_ page: StatusPage) -> String {
        TextTable.text(
            ["SERVICE", "REPLICA", "STATE", "PID", "SINCE", ""],
            page.services.flatMap { service in
                service.replicas.isEmpty
                    ? [[service.service, "-", "not there", "-", "-", "start it, or look at its log why it left"]]
                    : service.replicas.map { replica in
                        [
                            service.service, replica.replica.map { "\($0)" } ?? "?", replica.state.rawValue,
                            replica.processId.map { "\($0)" } ?? "-",
                            replica.startedAt.map { String($0.prefix(19)) } ?? "-",
                            replica.state == .noAnswer
                                ? "nobody answers at \(replica.endpoint)" : replica.waitingFor.joined(separator: "; "),
                        ]
                    }
            }, whenEmpty: "No services are expected: set administration.expected in the configuration.")
    }
}

/// A time on the command line: `60s`, `2m`.
struct TimeLimit: ExpressibleByArgument {
    var duration: Duration

    init?(argument: String) {
        guard let duration = Quantity.duration(argument), duration <= .seconds(86_400) else { return nil }
        self.duration = duration
    }
}
