import Testing

@testable import IMAPAccess

/// Every file under Dialogues is a test over real sockets.
@Suite struct DialogueTests {
    @Test("There are dialogues") func found() { #expect(Dialogue.all.count >= 12) }

    @Test("Dialogue", .timeLimit(.minutes(1)), arguments: Dialogue.all)
    func play(_ dialogue: Dialogue) async throws {
        try await TestServer.run(limits: dialogue.limits) { try await dialogue.play(on: $0) }
    }
}
