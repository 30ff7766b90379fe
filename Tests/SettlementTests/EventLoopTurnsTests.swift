import Atomics
import Glibc
import NIOCore
import NIOPosix
import ServiceRuntime
import TestSupport
import Testing

@testable import Settlement

@Suite(.timeLimit(.minutes(1))) struct EventLoopTurnsTests {
    @Test("What had arrived before a moment is read, and what ended with it is closed, when the loops are beyond it")
    func arrived() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let turns = try await EventLoopTurns(group)
        let accepted = ManagedAtomic(0)
        let closed = ManagedAtomic(0)
        let server = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            accepted.wrappingIncrement(ordering: .sequentiallyConsistent)
            channel.closeFuture.whenComplete { _ in closed.wrappingIncrement(ordering: .sequentiallyConsistent) }
            return channel.eventLoop.makeSucceededVoidFuture()
        }.bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(server.localAddress)
        for round in 1...5 {
            let client = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(to: address).get()
            try await eventually("the connection") { accepted.load(ordering: .sequentiallyConsistent) == round }
            // On loopback its FIN has arrived when the close is done.
            try await client.close()
            let moment = Moment.now
            try await eventually("both loops to be beyond it") { turns.takenIn.since(moment) > .zero }
            let count = closed.load(ordering: .sequentiallyConsistent)
            #expect(count == round)
        }
        try await server.close()
        try await group.shutdownGracefully()
        // It stands still with the loops, and nobody waits for them.
        let last = turns.takenIn
        #expect(Moment.now.since(last) >= .zero && turns.takenIn == last)
    }

    @Test("Late things that a loop does at once, before it looks at its sockets, prove nothing")
    func late() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let turns = try await EventLoopTurns(group)
        let began = Moment.now
        try await eventually("the loop to be beyond it") { turns.takenIn.since(began) > .zero }
        // What it has to do comes due, more than once, and it has no occasion to look.
        var claims: [Duration] = []
        let stop = TimeAmount.nanoseconds(EventLoopTurns.interval.nanoseconds * 2)
        let (moments, told) = AsyncStream.makeStream(of: (stopped: Moment, claim: Moment).self)
        let loop = group.next()
        @Sendable func standStill(_ stopped: Moment, _ timesLeft: Int) {
            let end = NIODeadline.now() + stop
            while NIODeadline.now() < end { usleep(1_000) }
            told.yield((stopped, turns.takenIn))
            guard timesLeft > 0 else { return told.finish() }
            loop.execute { standStill(stopped, timesLeft - 1) }
        }
        loop.execute { standStill(.now, 4) }
        for await (stopped, claim) in moments { claims.append(claim.since(stopped)) }
        #expect(claims.count == 5 && claims.allSatisfy { $0 <= .zero })
        try await group.shutdownGracefully()
    }

    @Test("A loop that stands still holds all up")
    func blocked() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let turns = try await EventLoopTurns(group)
        let moment = Moment.now
        try await eventually("both loops to be beyond it") { turns.takenIn.since(moment) > .zero }
        let isReleased = ManagedAtomic(false)
        let loop = group.next()
        let blocker = loop.submit { while !isReleased.load(ordering: .relaxed) {} }
        let other = try #require(Array(group.makeIterator()).first { $0 !== loop })
        let blocked = Moment.now
        for _ in 0..<5 { try await other.scheduleTask(in: EventLoopTurns.interval) {}.futureResult.get() }
        #expect(turns.takenIn.since(blocked) < .zero)
        isReleased.store(true, ordering: .relaxed)
        try await blocker.get()
        try await eventually("both loops to be beyond it") { turns.takenIn.since(blocked) > .zero }
        try await group.shutdownGracefully()
    }
}
