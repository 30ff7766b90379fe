import Contracts
import NIOCore
import Testing

@testable import SMTPIngress

/// What the directory said a moment ago.
@Suite(.timeLimit(.minutes(1))) struct RecentResolutionsTests {
    private let start = NIODeadline.now()

    private func resolution(_ outcome: ResolutionOutcome) -> ResolveReply.Resolution {
        var resolution = ResolveReply.Resolution()
        resolution.outcome = outcome
        return resolution
    }

    @Test("An accepted address is known until its time is over, and all that are asked together must be known")
    func lifetime() {
        let recent = RecentResolutions(lifetime: .seconds(1))
        recent.remember([resolution(.accepted)], to: ["bob@example.test"], at: start)
        #expect(recent.answers(to: ["bob@example.test"], at: start + .milliseconds(999))?.count == 1)
        #expect(recent.answers(to: ["bob@example.test", "eve@example.test"], at: start) == nil)
        #expect(recent.answers(to: ["bob@example.test"], at: start + .seconds(1)) == nil)
    }

    @Test(
        "An address that leads nowhere is asked about again each time",
        arguments: [ResolutionOutcome.unknownAddress, .notLocal, .disabled, .overQuota, .unspecified])
    func refusals(outcome: ResolutionOutcome) {
        let recent = RecentResolutions(lifetime: .seconds(1))
        recent.remember([resolution(.accepted)], to: ["bob@example.test"], at: start)
        recent.remember([resolution(outcome)], to: ["bob@example.test"], at: start)
        #expect(recent.answers(to: ["bob@example.test"], at: start) == nil)
    }

    @Test("Addresses without end do not grow it, and a lifetime of zero remembers nothing")
    func bounds() {
        let recent = RecentResolutions(lifetime: .seconds(1))
        for number in 0...RecentResolutions.limit {
            recent.remember([resolution(.accepted)], to: ["\(number)@example.test"], at: start)
        }
        #expect(recent.answers(to: ["0@example.test"], at: start) == nil)
        #expect(recent.answers(to: ["\(RecentResolutions.limit)@example.test"], at: start) != nil)
        let none = RecentResolutions(lifetime: .zero)
        none.remember([resolution(.accepted)], to: ["bob@example.test"], at: start)
        #expect(none.answers(to: ["bob@example.test"], at: start) == nil)
    }

    @Test("A second message to the same recipient within the time asks nobody")
    func burst() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(resolution: .seconds(60)))
        let client = try await ingress.greeted()
        for _ in 0..<3 {
            try await client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nRSET\r\n")
            #expect(try await client.codes(3) == ["250 2.1.0", "250 2.1.5", "250 2.0.0"])
        }
        #expect(ingress.record.questions == [["bob@example.test"]])
        await ingress.stop()
    }
}
