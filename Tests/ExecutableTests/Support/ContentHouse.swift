import Contracts
import Messaging
import TestSupport

/// A running content processing with a stub of storage that remembers what it was asked.
struct ContentHouse: AcceptanceCaller {
    let house: House
    let storage: RecordingDelivery
    let stub: StubService
    let acceptance: any Acceptance
    private let process: Mutexed<RunningExecutable>

    static func run(_ body: (ContentHouse) async throws -> Void) async throws {
        try await House.run { house in
            let storage = RecordingDelivery()
            let stub = try house.stub(.storage, [DeliveryServer(storage)])
            let started = try await house.ready(.content)
            let content = ContentHouse(
                house: house, storage: storage, stub: stub,
                acceptance: AcceptanceByKey(
                    ingress: AcceptanceClient(try house.client(to: .content, as: "smtp-ingress")),
                    access: AcceptanceClient(try house.client(to: .content, as: "imap-access"))),
                process: Mutexed(started))
            try await house.untilReached()
            do {
                try await body(content)
            } catch {
                await storage.release()
                throw error
            }
            await storage.release()
        }
    }

    var running: RunningExecutable { process.value }

    /// kill -9, and a new process at once.
    func restart() async throws {
        try await running.kill()
        process.value = try house.start(.content)
    }
}

/// Each method with the key of the service that may call it.
private struct AcceptanceByKey: Acceptance {
    let ingress: AcceptanceClient
    let access: AcceptanceClient

    func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply {
        try await ingress.accept(request, message: message, context)
    }

    func append(_ request: AppendRequest, message: Payload, _ context: CallContext) async throws -> AppendReply {
        try await access.append(request, message: message, context)
    }

    func appendEach(
        _ request: AppendEachRequest, messages: Payload, _ context: CallContext
    ) async throws -> AppendEachReply {
        try await access.appendEach(request, messages: messages, context)
    }
}
