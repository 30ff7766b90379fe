import Foundation
import TestSupport
import Testing

/// What keeps a program that listens from starting.
@Suite("A start is refused", .timeLimit(.minutes(8)))
struct RefusedPlaceTests {
    @Test("for a port that somebody else has", arguments: [(Executable.ingress, "relay"), (.access, "imap")])
    func port(_ executable: Executable, _ listener: String) async throws {
        try await House.run { house in
            let port = try house.port(listener).number
            let taken = try ReservedPort(isShared: false)
            house.configuration.withLock {
                $0.logLevel = "critical"
                $0.replace("127.0.0.1:\(port)", with: "127.0.0.1:\(taken.number)", in: executable.service)
            }
            try await house.expectRefusal(
                of: executable, says: ["cannot listen at 127.0.0.1:\(taken.number): ", "in use"])
        }
    }
}
