import Contracts
import NIOCore
import TestSupport
import Testing

@testable import SMTPIngress

/// The limits of connections and time; those of commands and content are dialogues.
@Suite(.timeLimit(.minutes(2))) struct LimitTests {
    @Test("Sessions from one address beyond the limit get 421, and a free place is given again")
    func sessionsPerAddress() async throws {
        var limits = Limits()
        limits.sessionsPerAddress = 2
        let ingress = try await Ingress.start(limits: limits, timeouts: Timeouts(refusal: .milliseconds(50)))
        let first = try await ingress.greeted()
        let second = try await ingress.greeted()
        let third = try await ingress.connect()
        #expect(try await third.code() == "421 4.7.0")
        #expect(await third.endsHere())
        _ = try await first.command("QUIT")
        #expect(await first.endsHere())
        await first.close()
        try await eventually("one of the two to go") { ingress.registry.count != 2 }
        let fourth = try await ingress.connect()
        #expect(try await fourth.code() == "220")
        await second.close()
        await fourth.close()
        await ingress.stop()
    }

    @Test("Sessions in all beyond the limit get 421 4.3.2")
    func sessions() async throws {
        var limits = Limits()
        limits.sessions = 1
        let ingress = try await Ingress.start(
            [.relay, .submissions], limits: limits, timeouts: Timeouts(refusal: .milliseconds(50)))
        let first = try await ingress.greeted()
        let second = try await ingress.connect()
        #expect(try await second.code() == "421 4.3.2")
        let third = try await ingress.connect(.submissions)
        #expect(await third.endsHere())
        await first.close()
        await ingress.stop()
    }

    @Test("Of a crowd beyond the limit only so many are in hand at once; all are told in turn, and who is in goes on")
    func crowd() async throws {
        var limits = Limits()
        limits.sessions = 1
        limits.refusals = 2
        let ingress = try await Ingress.start(limits: limits, timeouts: Timeouts(refusal: .milliseconds(200)))
        let first = try await ingress.greeted()
        let highest = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    let client = try await ingress.connect()
                    let code = try await client.code()
                    await client.close()
                    return code
                }
            }
            var highest = 0
            for try await code in group {
                #expect(code == "421 4.3.2")
                highest = max(highest, ingress.registry.outsideCount)
                #expect(try await first.command("NOOP").code == 250)
            }
            return highest
        }
        // The kernel hands over a few connections at a time.
        #expect(highest > 0 && highest < 30)
        await first.close()
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        let next = try await ingress.connect()
        #expect(try await next.code() == "220")
        await next.close()
        await ingress.stop()
    }

    @Test("Who is being turned away is told at once when the service ends")
    func turnedAwayAtTheEnd() async throws {
        var limits = Limits()
        limits.sessions = 1
        let ingress = try await Ingress.start(limits: limits, timeouts: Timeouts(refusal: .seconds(60)))
        let first = try await ingress.greeted()
        let refused = try await ingress.connect()
        #expect(try await refused.code() == "421 4.3.2")
        await refused.close()
        try await eventually("nobody to be left outside") { ingress.registry.outsideCount == 0 }
        // It comes again at once, and is not told at once.
        let second = try await ingress.connect()
        try await eventually("somebody to stand outside") { ingress.registry.outsideCount > 0 }
        async let end: Void = ingress.stop()
        #expect(try await second.code() == "421 4.3.2")
        #expect(try await first.code() == "421 4.3.2")
        await first.close()
        await second.close()
        await end
    }

    @Test("An address is held back when it was turned away a short time ago, and everybody when too many were")
    func recentRefusals() {
        var refusals = RecentRefusals(for: .seconds(1), limit: 3)
        let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
        let times: [(String, Int64, Bool)] = [
            ("a", 0, false), ("b", 0, false), ("a", 900, true), ("a", 1_800, true), ("b", 1_900, false),
            ("c", 1_900, false), ("d", 1_900, true), ("d", 2_850, false),
        ]
        for (address, milliseconds, isHeldBack) in times {
            let answer = refusals.add(address, at: start + .milliseconds(milliseconds))
            #expect(answer == isHeldBack, "\(address) at \(milliseconds)")
        }
    }

    @Test("A client that is silent for too long gets 421 4.4.2, in a message too")
    func idle() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(idle: .milliseconds(700)))
        let silent = try await ingress.connect()
        #expect(try await silent.codes(2) == ["220", "421 4.4.2"])
        #expect(await silent.endsHere())
        let slow = try await ingress.connect(
            preface: Array("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nhalf a li".utf8))
        #expect(try await slow.codes(6).last == "421 4.4.2")
        #expect(ingress.record.accepted.isEmpty)
        await ingress.stop()
    }

    @Test("A client that never begins its handshake is cut off")
    func handshakeTimeout() async throws {
        let ingress = try await Ingress.start([.submissions], timeouts: Timeouts(idle: .milliseconds(150)))
        let client = try await SMTPClient.connect(try ingress.address(.submissions))
        #expect(await client.endsHere())
        await ingress.stop()
    }

    @Test("A client that does not close after our last word is closed")
    func linger() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(linger: .milliseconds(100)))
        let client = try await ingress.connect()
        _ = try await client.reply()
        try await client.send("QUIT\r\n")
        #expect(try await client.code() == "221 2.0.0")
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await client.close()
        await ingress.stop()
    }

    @Test("A client that never stops sending after our last word is closed all the same")
    func endless() async throws {
        let ingress = try await Ingress.start(timeouts: Timeouts(linger: .milliseconds(20)))
        let client = try await ingress.connect()
        _ = try await client.reply()
        try await client.send("QUIT\r\n")
        #expect(try await client.code() == "221 2.0.0")
        try await client.stayOpen()
        let line = String(repeating: "x", count: 65_536)
        while (try? await client.send(line)) != nil {}
        try await eventually("the session to be over") { ingress.registry.count == 0 }
        await client.close()
        await ingress.stop()
    }

    @Test("A message that is refused for its size while it comes is read to its end, within bounds")
    func discarding() async throws {
        var limits = Limits()
        limits.messageOctets = 500_000
        limits.discardedOctets = 2_000_000
        let ingress = try await Ingress.start(limits: limits)
        let client = try await ingress.greeted()
        try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        _ = try await client.codes(3)
        try await client.send(ReceivingTests.text(octets: 1_500_000) + ".\r\n")
        #expect(try await client.code() == "552 5.3.4")
        try await client.send("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        #expect(try await client.codes(3).last == "354")
        // Beyond the bound the connection ends, whether or not the client listens.
        try? await client.send(ReceivingTests.text(octets: 6_000_000))
        #expect(try await client.code() == "552 5.3.4")
        #expect(await client.endsHere())
        #expect(ingress.record.accepted.isEmpty)
        await ingress.stop()
    }

    @Test("Hundreds that wait to be accepted when the service ends are told to come again")
    func waitingAtTheEnd() async throws {
        var limits = Limits()
        limits.sessions = 1
        limits.refusals = 1
        let ingress = try await Ingress.start(limits: limits, timeouts: Timeouts(refusal: .seconds(60)))
        let first = try await ingress.greeted()
        var waiting: [SMTPClient] = []
        for _ in 0..<300 { waiting.append(try await ingress.connect()) }
        #expect(ingress.registry.outsideCount < 10)
        async let end: Void = ingress.stop()
        #expect(try await first.code() == "421 4.3.2")
        for client in waiting {
            #expect(try await client.code() == "421 4.3.2")
            await client.close()
        }
        await first.close()
        await end
    }

    /// Only the kernel could pass on who comes in the moment in which the socket is closed.
    @Test("A replica that goes while clients connect resets hardly one: each is greeted, by it or by the other")
    func goingWhileClientsConnect() async throws {
        var rounds = 0
        let staying = try await Ingress.start()
        let port = try #require(try staying.address().port)
        for _ in 0..<10 {
            let going = try await Ingress.start(addresses: [.relay: "127.0.0.1:\(port)"])
            let codes = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var codes: [String] = []
                        while codes.count < 25 {
                            do {
                                let client = try await staying.connect()
                                codes.append(try await client.code())
                                await client.close()
                            } catch {
                                codes.append("reset")
                            }
                        }
                        return codes
                    }
                }
                while going.registry.count == 0 { await Task.yield() }
                await going.stop()
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(codes.count == 200 && Set(codes).isSubset(of: ["220", "421 4.3.2", "reset"]))
            rounds += codes.contains("reset") ? 1 : 0
        }
        #expect(rounds <= 2)
        await staying.stop()
    }

    @Test("Two services share one port (SO_REUSEPORT)")
    func sharedPort() async throws {
        let first = try await Ingress.start()
        let port = try #require(try first.address().port)
        let second = try await Ingress.start(addresses: [.relay: "127.0.0.1:\(port)"])
        var clients: [SMTPClient] = []
        while first.registry.count == 0 || second.registry.count == 0 { clients.append(try await first.greeted()) }
        for client in clients { await client.close() }
        await first.stop()
        await second.stop()
    }
}
