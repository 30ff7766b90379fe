import Atomics
import Messaging
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReplicaTests {
    @Test func aCallWhoseReplicaDiesIsSentToAnother() async throws {
        let replicas = try Replicas()
        let (begun, never) = (Gate(), Gate())
        try replicas.start(
            0,
            EchoContract(onEcho: { call in
                begun.open()
                await never.wait()
                return .reply(call.body)
            }))
        let client = replicas.client([0, 1])
        let call = Task { try await client.echo("survives") }
        await begun.wait()
        try replicas.start(1, EchoContract())
        await replicas.kill(0)
        #expect(try await call.value == "survives")
        never.open()
        await replicas.stop()
    }

    @Test func aCallThatMustNotBeRepeatedIsNotUnlessItHasAKey() async throws {
        let replicas = try Replicas()
        let (begun, never) = (Recorder<TransactionID>(), Gate())
        let stuck = EchoContract(onEcho: { call in
            begun.record(call.context.transaction)
            await never.wait()
            return .reply(call.body)
        })
        try replicas.start(0, stuck)
        let client = replicas.client([0, 1])
        let plain = Task { await code { _ = try await client.echo("", EchoContract.echoOnce) } }
        let keyed = Task {
            try await client.echo("again", EchoContract.echoOnce, CallContext(idempotencyKey: .next()))
        }
        #expect(await eventually { begun.values.count == 2 })
        try replicas.start(1, EchoContract())
        await replicas.kill(0)
        #expect(await plain.value == .unavailable)
        #expect(try await keyed.value == "again")
        never.open()
        await replicas.stop()
    }

    @Test func anOverloadedReplicaSendsItsCallsElsewhere() async throws {
        let replicas = try Replicas()
        try replicas.start(0, EchoContract(), limits: ServerLimits(requestsInFlight: 0))
        try replicas.start(1, EchoContract())
        let client = replicas.client([0, 1])
        #expect(await eventually { client.readyReplicas == 2 })
        for number in 0..<20 { #expect(try await client.echo("\(number)") == "\(number)") }
        await replicas.stop()
    }

    @Test func theReplicaWithFewestCallsInFlightIsChosen() async throws {
        let replicas = try Replicas()
        let (stuck, served, release) = (Recorder<String>(), Recorder<String>(), Gate())
        try replicas.start(
            0,
            EchoContract(onEcho: { call in
                stuck.record("")
                await release.wait()
                return .reply(call.body)
            }))
        try replicas.start(
            1,
            EchoContract(onEcho: { call in
                served.record("")
                return .reply(call.body)
            }))
        let client = replicas.client([0, 1])
        #expect(await eventually { client.readyReplicas == 2 })
        // One gets stuck at replica 0 at the latest with the second call; from then on 1 has fewer.
        let first = Task { try await client.echo("") }
        let second = Task { try await client.echo("") }
        #expect(await eventually { stuck.values.count >= 1 })
        for _ in 0..<10 { _ = try await client.echo("") }
        #expect(stuck.values.count == 1)
        #expect(served.values.count == 11)
        release.open()
        _ = try await (first.value, second.value)
        await replicas.stop()
    }

    @Test func aServiceThatReturnsIsCalledAgainWithinTwoSeconds() async throws {
        let replicas = try Replicas()
        try replicas.start(0, EchoContract())
        let client = replicas.client([0], patience: .zero)
        #expect(await eventually { (try? await client.echo("up")) == "up" })
        var waits: [Duration] = []
        // A round during which the machine had no time for it says nothing; not all of them are such.
        for _ in 0..<3 {
            await replicas.kill(0)
            #expect(await eventually { !client.isAvailable })
            #expect(await code { _ = try await client.echo("away") } == .unavailable)
            try replicas.start(0, EchoContract())
            let start = ContinuousClock.now
            #expect(await eventually { (try? await client.echo("back")) == "back" })
            waits.append(ContinuousClock.now - start)
        }
        #expect(waits.contains { $0 < .seconds(2) }, "\(waits)")
        await replicas.stop()
    }

    @Test func aCallWaitsForAServiceThatIsAboutToCome() async throws {
        let replicas = try Replicas()
        let client = replicas.client([0])
        let call = Task { try await client.echo("early") }
        try replicas.start(0, EchoContract())
        #expect(try await call.value == "early")
        await replicas.stop()
    }

    @Test func replicasAreDiscoveredWhileCallsFlow() async throws {
        let replicas = try Replicas()
        let served = Recorder<Int>()
        func contract(_ number: Int) -> EchoContract {
            EchoContract(onEcho: { call in
                served.record(number)
                return .reply(call.body)
            })
        }
        try replicas.start(0, contract(0))
        let client = replicas.discoveringClient()
        let isOver = ManagedAtomic(false)
        let flow = Task {
            while !isOver.load(ordering: .relaxed) {
                await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<4 { group.addTask { _ = try await client.echo("flow") } }
                }
            }
            return try await client.echo("last")
        }
        #expect(await eventually { served.values.contains(0) })
        try replicas.start(1, contract(1))
        try replicas.start(2, contract(2))
        #expect(await eventually { Set(served.values) == [0, 1, 2] })
        await replicas.kill(1)
        isOver.store(true, ordering: .relaxed)
        #expect(try await flow.value == "last")
        await replicas.stop()
    }

    @Test func aDrainingReplicaFinishesWhatItHasAndSendsTheRestElsewhere() async throws {
        let replicas = try Replicas()
        let (begun, release) = (Gate(), Gate())
        let draining = try replicas.start(
            0,
            EchoContract(onEcho: { call in
                begun.open()
                await release.wait()
                return .reply(call.body)
            }))
        let client = replicas.client([0, 1])
        let inHand = Task { try await client.echo("in hand", EchoContract.echoOnce) }
        await begun.wait()
        let other = try replicas.start(1, EchoContract())
        #expect(await eventually { client.readyReplicas == 2 })
        async let drained: Void = draining.drain()
        #expect(await eventually { client.readyReplicas == 1 })
        for _ in 0..<10 { #expect(try await client.echo("elsewhere") == "elsewhere") }
        #expect(other.requestsInFlight == 0)
        release.open()
        #expect(try await inHand.value == "in hand")
        await drained
        await replicas.stop()
    }

    @Test func whatADrainingReplicaAnsweredArrivesHoweverSoonItIsGone() async throws {
        for number in 0..<100 {
            let replicas = try Replicas()
            let (begun, release) = (Gate(), Gate())
            let draining = try replicas.start(
                0,
                EchoContract(onEcho: { call in
                    begun.open()
                    await release.wait()
                    return .reply(call.body)
                }))
            let client = replicas.client([0], patience: .milliseconds(100))
            // What is asked here is the answer, not whether the call found its replica within so little patience.
            #expect(await eventually { client.isAvailable })
            let inHand = Task { try await client.echo("in hand", EchoContract.echoOnce) }
            await begun.wait()
            async let gone: Void = {
                await draining.drain()
                await draining.close()
                await replicas.kill(0)
            }()
            release.open()
            await #expect(throws: Never.self, "\(number)") { _ = try await inHand.value }
            await gone
            await replicas.stop()
        }
    }

    @Test func aDrainingReplicaIsNotHeldUpByAStreamThatNobodyReads() async throws {
        let replicas = try Replicas()
        let chunk = ByteBuffer(repeating: 0x61, count: 64 * 1024)
        let draining = try replicas.start(
            0,
            EchoContract(onStream: { call in
                // Six times what is sent ahead of a reader.
                for _ in 0..<100 { try await call.send(chunk) }
                return .end
            }))
        let client = replicas.client([0])
        let (unread, read) = (try await client.stream(), try await client.stream())
        _ = try await unread.next()
        let reader = Task {
            var count = 0
            while try await read.next() != nil {
                count += 1
                // It takes longer in all than the other is waited for.
                if count % 2 == 0 { try await Task.sleep(for: .milliseconds(100)) }
            }
            return count
        }
        let began = ContinuousClock.now
        await draining.drain(within: .seconds(25))
        #expect(began.duration(to: .now) < .seconds(15))
        #expect(try await reader.value == 100)
        #expect(await code { while try await unread.next() != nil {} } == .draining)
        await replicas.stop()
    }

    @Test func drainingEndsAtItsLimitAndCancelsWhatRemains() async throws {
        let never = Gate()
        let begun = Gate()
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onEcho: { call in
                    begun.open()
                    await Task { try? await Task.sleep(for: .seconds(30)) }.cancelledWithCaller()
                    return .reply(call.body)
                })
            ], caller: "client", access: OpenAccess(), patience: .seconds(1))
        let call = Task { await code { _ = try await pair.client.echo("stuck") } }
        await begun.wait()
        await pair.server.drain(within: .milliseconds(50))
        #expect(await call.value == .draining)
        never.open()
        await pair.close()
    }

    @Test func aRequestThatKillsItsReplicasIsGivenUp() async throws {
        let replicas = try Replicas()
        let deaths = Recorder<Int>()
        for number in 0..<5 {
            try replicas.start(
                number,
                EchoContract(onEcho: { call in
                    deaths.record(number)
                    Task { await replicas.kill(number) }
                    await Gate().wait()
                    return .reply(call.body)
                }))
        }
        let client = replicas.client([0, 1, 2, 3, 4])
        #expect(await eventually { client.readyReplicas == 5 })
        #expect(await code { _ = try await client.echo("poison") } == .unavailable)
        #expect(deaths.values.count == 3)
        await replicas.stop()
    }
}
