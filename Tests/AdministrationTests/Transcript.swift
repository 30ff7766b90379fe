import Synchronization
import TestSupport
import Testing

@testable import Administration

/// What a command wrote.
final class Transcript: Sendable {
    private let parts = Mutex((answer: "", notes: [String]()))

    var answer: String { parts.withLock { $0.answer } }
    var notes: [String] { parts.withLock { $0.notes } }

    func terminal(
        json: Bool, input: String = "", secrets: [String]? = nil, reply: String? = nil
    ) -> Terminal {
        let remaining = SecretQueue(secrets ?? [])
        let askSecret: @Sendable (String) -> String? = { _ in remaining.next() }
        let ask: @Sendable (String) -> String? = { _ in reply }
        let write: @Sendable (String) -> Void = { [self] text in parts.withLock { $0.answer += text } }
        let note: @Sendable (String) -> Void = { [self] text in parts.withLock { $0.notes.append(text) } }
        return Terminal(
            isJSON: json, write: write, note: note, readInput: { Array(input.utf8) },
            askSecret: secrets == nil ? nil : askSecret, ask: reply == nil ? nil : ask)
    }

    private final class SecretQueue: Sendable {
        private let secrets: Mutex<[String]>
        init(_ secrets: [String]) { self.secrets = Mutex(secrets) }
        func next() -> String? { secrets.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
    }
}

/// Runs a command line against the house.
func run(
    _ arguments: String..., house: StubHouse, input: String = "", secrets: [String]? = nil, reply: String? = nil
) async throws -> Transcript {
    let transcript = Transcript()
    let command = try #require(try Administration.parseAsRoot(arguments) as? any OperatorCommand)
    try await command.execute(
        Peers(directory: house, accounts: house, mailStore: house, ledger: house),
        transcript.terminal(json: arguments.contains("--json"), input: input, secrets: secrets, reply: reply))
    return transcript
}
