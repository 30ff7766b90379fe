import Contracts
import Logging
import Messaging
import NIOCore
import TestSupport

@testable import ContentProcessing

/// The real service behind real messaging, with a recording storage behind real messaging too.
struct ContentFixture: AcceptanceCaller {
    let storage: RecordingDelivery
    let acceptance: any Acceptance
    private let storagePair: MessagingPair
    private let servicePair: MessagingPair

    /// Runs `body` with a service of its own.
    static func run(
        limits: ProcessingLimits = ProcessingLimits(), _ body: (ContentFixture) async throws -> Void
    ) async throws {
        let storage = RecordingDelivery()
        let storagePair = try MessagingPair.inproc([DeliveryServer(storage)])
        let service = AcceptanceService(
            delivery: DeliveryClient(storagePair.client), limits: limits, logger: .quiet)
        let servicePair = try MessagingPair.inproc([AcceptanceServer(service)])
        let fixture = ContentFixture(
            storage: storage, acceptance: AcceptanceClient(servicePair.client), storagePair: storagePair,
            servicePair: servicePair)
        do {
            try await body(fixture)
        } catch {
            await fixture.close()
            throw error
        }
        await fixture.close()
    }

    /// Storage goes away.
    /// The way to it goes too: who waits for an answer learns that at once.
    func stopStorage() async {
        await storagePair.server.close()
        await storagePair.client.close()
    }

    private func close() async {
        await storage.release()
        await servicePair.close()
        await storagePair.close()
    }
}
