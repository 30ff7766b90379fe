import ArgumentParser
import Contracts
import Foundation
import Messaging
import Synchronization
import TestSupport
import Testing

@testable import Administration

/// A service that answers what it is told.
private struct StubHealth: Health {
    var reply: HealthReply

    init(_ service: String, _ replica: UInt32, waitingFor: [String] = []) {
        reply = HealthReply()
        reply.service = service
        reply.replica = replica
        reply.ready = waitingFor.isEmpty
        reply.waitingFor = waitingFor
        reply.version = "1"
        reply.processID = 4_711
        reply.startedAt = 1_709_251_199_000_000
    }

    func check(_ request: HealthRequest, _ context: CallContext) async throws -> HealthReply { reply }
}

@Suite("martlet status")
struct StatusTests {
    private func question(_ health: StubHealth) -> ServiceSurvey.Question {
        ServiceSurvey.Question(endpoint: "ipc:///run/\(health.reply.service).\(health.reply.replica).sock") { context in
            try await health.check(HealthRequest(), context)
        }
    }

    private func status(_ survey: ServiceSurvey, _ arguments: String...) async throws -> (Transcript, ExitCode?) {
        let transcript = Transcript()
        let command = try #require(try Administration.parseAsRoot(["status"] + arguments) as? StatusCommand)
        do {
            try await command.execute(survey, transcript.terminal(json: arguments.contains("--json")))
            return (transcript, nil)
        } catch let code as ExitCode {
            return (transcript, code)
        }
    }

    @Test("All ready is status 0; every replica has its line")
    func ready() async throws {
        let survey = ServiceSurvey(expected: ["storage", "smtp-ingress"]) { service in
            switch service {
            case "storage": [question(StubHealth("storage", 0))]
            case "smtp-ingress": [question(StubHealth("smtp-ingress", 0)), question(StubHealth("smtp-ingress", 1))]
            default: []
            }
        }
        let (transcript, code) = try await status(survey)
        #expect(code == nil)
        #expect(
            transcript.answer.split(separator: "\n").map { $0.split(separator: " ").prefix(3).joined(separator: " ") }
                == [
                    "SERVICE REPLICA STATE", "storage 0 ready", "smtp-ingress 0 ready", "smtp-ingress 1 ready",
                ])
    }

    @Test("One that waits, one that does not answer and one that is not there are told apart, in a stable shape")
    func notReady() async throws {
        let survey = ServiceSurvey(expected: ["storage", "authentication", "imap-access"]) { service in
            switch service {
            case "storage": [question(StubHealth("storage", 0, waitingFor: ["PostgreSQL: connection refused"]))]
            case "authentication":
                [
                    ServiceSurvey.Question(endpoint: "ipc:///run/authentication.3.sock") { _ in
                        throw MessagingError(.unavailable, "nobody")
                    }
                ]
            default: []
            }
        }
        let (transcript, code) = try await status(survey, "--json")
        #expect(code?.rawValue == 69)
        #expect(
            transcript.answer == """
                {
                  "ready" : false,
                  "services" : [
                    {
                      "expected" : true,
                      "ready" : false,
                      "replicas" : [
                        {
                          "endpoint" : "ipc:///run/storage.0.sock",
                          "process_id" : 4711,
                          "replica" : 0,
                          "started_at" : "2024-02-29T23:59:59.000000Z",
                          "state" : "waiting",
                          "version" : "1",
                          "waiting_for" : [
                            "PostgreSQL: connection refused"
                          ]
                        }
                      ],
                      "service" : "storage"
                    },
                    {
                      "expected" : true,
                      "ready" : false,
                      "replicas" : [
                        {
                          "endpoint" : "ipc:///run/authentication.3.sock",
                          "replica" : 3,
                          "state" : "no_answer",
                          "waiting_for" : [
                            "unavailable: nobody"
                          ]
                        }
                      ],
                      "service" : "authentication"
                    },
                    {
                      "expected" : true,
                      "ready" : false,
                      "replicas" : [

                      ],
                      "service" : "imap-access"
                    }
                  ]
                }

                """)
        let (text, _) = try await status(survey)
        #expect(text.answer.contains("waiting    4711  2024-02-29T23:59:59  PostgreSQL: connection refused"))
        #expect(text.answer.contains("nobody answers at ipc:///run/authentication.3.sock"))
        #expect(text.answer.contains("imap-access     -        not there"))
    }

    @Test("A service that nobody expects is shown when it is there")
    func unexpected() async throws {
        let survey = ServiceSurvey(expected: []) { $0 == "smtp-egress" ? [question(StubHealth("smtp-egress", 0))] : [] }
        #expect(try await status(survey).0.answer.contains("smtp-egress"))
    }

    @Test("--wait returns as soon as all is ready, and tells meanwhile what is awaited")
    func waits() async throws {
        let asked = Counter()
        let survey = ServiceSurvey(expected: ["storage"]) { service in
            guard service == "storage" else { return [] }
            let isReady = asked.next() > 4
            return [question(StubHealth("storage", 0, waitingFor: isReady ? [] : ["PostgreSQL"]))]
        }
        let (transcript, code) = try await status(survey, "--wait", "60s")
        #expect(code == nil)
        #expect(transcript.notes == ["waiting for storage (PostgreSQL)"])
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    @Test("It asks over real messaging, with the command's own key")
    func overMessaging() async throws {
        let pair = try MessagingPair.ipc([HealthServer(StubHealth("storage", 0))], caller: "martlet")
        let survey = ServiceSurvey(expected: ["storage"]) { service in
            guard service == "storage" else { return [] }
            return [
                ServiceSurvey.Question(endpoint: pair.server.endpoint) { context in
                    try await HealthClient(pair.client).check(HealthRequest(), context)
                }
            ]
        }
        #expect(try await status(survey).1 == nil)
        await pair.server.close()
        #expect(try await status(survey).1?.rawValue == 69)
        await pair.close()
    }
}
