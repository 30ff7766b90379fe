import Atomics
import Messaging
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CallTests {
    @Test func aCallIsAnsweredOverInproc() async throws {
        let pair = try MessagingPair.inproc([EchoContract()])
        #expect(try await pair.client.echo("hello") == "hello")
        await pair.close()
    }

    @Test func aCallIsAnsweredOverIPCAndTheCallerIsKnownByItsKey() async throws {
        let echo = EchoContract(onEcho: { call in .reply(ByteBuffer(string: call.context.caller?.service ?? "nobody")) }
        )
        let pair = try MessagingPair.ipc([echo], caller: "imap-access", access: OpenAccess())
        #expect(try await pair.client.echo("who am I?") == "imap-access")
        await pair.close()
    }

    @Test func aCallIsAnsweredOverTCPOnAFreePort() async throws {
        let serverKeys = try CurveKeyPair.generate()
        let context = try MessagingContext(keys: serverKeys, logger: .quiet)
        let server = try ServerSocket(
            context, endpoint: "tcp://127.0.0.1:0", contracts: [EchoContract()],
            peers: [serverKeys.publicKey: PeerIdentity(service: "self")], access: OpenAccess())
        #expect(!server.endpoint.hasSuffix(":0"))
        let client = PeerClient(
            context, service: "echo", replicas: .endpoints([server.endpoint]), serverKey: serverKeys.publicKey)
        #expect(try await client.echo("over tcp") == "over tcp")
        await context.shutdown()
    }

    @Test func transactionKeyAndRemainingTimeTravel() async throws {
        let seen = Recorder<CallContext>()
        let pair = try MessagingPair.inproc([
            EchoContract(onEcho: { call in
                seen.record(call.context)
                return .reply(call.body)
            })
        ])
        let transaction = TransactionID.next()
        let contexts = [
            CallContext(transaction: transaction, timeout: .seconds(300), idempotencyKey: transaction),
            CallContext(transaction: transaction, timeout: .seconds(300), idempotencyKey: .next()),
            CallContext(transaction: transaction, timeout: .seconds(300)),
        ]
        for context in contexts { _ = try await pair.client.echo("", EchoContract.echo, context) }
        #expect(seen.values.map(\.transaction) == contexts.map(\.transaction))
        #expect(seen.values.map(\.idempotencyKey) == contexts.map(\.idempotencyKey))
        for (sent, received) in zip(contexts, seen.values) {
            // As much later as the way took; without a time of its own a call would have ten seconds.
            #expect(received.deadline >= sent.deadline - .seconds(1))
            #expect(received.deadline < sent.deadline + .seconds(60))
        }
        await pair.close()
    }

    @Test func payloadFramesKeepTheirBoundariesAndLargeOnesAreIntact() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "client", access: OpenAccess())
        let frames = [
            ByteBuffer(string: "prefix"), ByteBuffer(), .random(octets: 300_000, seed: 1), ByteBuffer(string: "end"),
        ]
        let reply = try await pair.client.call(
            EchoContract.description, EchoContract.echo, body: ByteBuffer(string: "body"), frames: frames,
            context: CallContext())
        #expect(reply.payload == frames)
        await pair.close()
    }

    @Test(arguments: [HandlerPlacement.onSocketThread, .concurrent])
    func manyCallsAtOnceAreEachAnsweredWithTheirOwn(placement: HandlerPlacement) async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "client", access: OpenAccess(), handlers: placement)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<2_000 {
                group.addTask { try await pair.client.echo("call \(number)") == "call \(number)" }
            }
            for try await isOwn in group { #expect(isOwn) }
        }
        await pair.close()
    }

    @Test func whatAHandlerThrowsArrivesWithItsCode() async throws {
        struct Surprise: Error {}
        let pair = try MessagingPair.inproc([
            EchoContract(
                onEcho: { _ in throw MessagingError(.unavailable, "my own peer is away") },
                onCount: { _ in throw Surprise() })
        ])
        #expect(await code { _ = try await pair.client.echo("") } == .unavailable)
        #expect(await code { _ = try await pair.client.count(Payload()) } == .failed)
        await pair.close()
    }

    @Test func anUnknownMethodOrContractIsAnswered() async throws {
        let pair = try MessagingPair.inproc([EchoContract()])
        #expect(await code { _ = try await pair.client.echo("", EchoContract.unknown) } == .unknownMethod)
        let other = ContractDescription(number: 77, name: "Other")
        let failure = await code {
            _ = try await pair.client.call(
                other, EchoContract.echo, body: ByteBuffer(), context: CallContext())
        }
        #expect(failure == .unknownMethod)
        await pair.close()
    }

    @Test func aCallEndsAtItsDeadlineAndTheHandlerIsCancelled() async throws {
        let cancelled = Gate()
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onEcho: { call in
                    await Task { try? await Task.sleep(for: .seconds(30)) }.cancelledWithCaller()
                    cancelled.open()
                    return .reply(call.body)
                })
            ], caller: "client", access: OpenAccess())
        // The time is for the handler alone: one that never began could not be cancelled.
        #expect(await eventually { pair.client.isAvailable })
        let start = ContinuousClock.now
        let failure = await code {
            _ = try await pair.client.echo("", EchoContract.echo, CallContext(timeout: .seconds(1)))
        }
        #expect(failure == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(15))
        await cancelled.wait()
        #expect(await eventually { pair.server.requestsInFlight == 0 })
        await pair.close()
    }

    @Test func aCancelledCallerCancelsTheHandler() async throws {
        let (begun, cancelled) = (Gate(), Gate())
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onEcho: { call in
                    begun.open()
                    await Task { try? await Task.sleep(for: .seconds(30)) }.cancelledWithCaller()
                    cancelled.open()
                    return .reply(call.body)
                })
            ], caller: "client", access: OpenAccess())
        let call = Task { await code { _ = try await pair.client.echo("") } }
        await begun.wait()
        call.cancel()
        #expect(await call.value == .cancelled)
        await cancelled.wait()
        #expect(await eventually { pair.server.requestsInFlight == 0 })
        await pair.close()
    }

    @Test func aServerThatHasEnoughInHandAnswersAtOnce() async throws {
        let (release, begun) = (Gate(), Gate())
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onEcho: { call in
                    begun.open()
                    await release.wait()
                    return .reply(call.body)
                })
            ], caller: "client", access: OpenAccess(), limits: ServerLimits(requestsInFlight: 1))
        let first = Task { try await pair.client.echo("first") }
        await begun.wait()
        #expect(await code { _ = try await pair.client.echo("second") } == .overloaded)
        release.open()
        #expect(try await first.value == "first")
        #expect(await eventually { (try? await pair.client.echo("third")) == "third" })
        await pair.close()
    }

    @Test func aServerBoundsTheOctetsInHand() async throws {
        let pair = try MessagingPair.inproc(
            [EchoContract()], limits: ServerLimits(requestsInFlight: 10, octetsInFlight: 1_000))
        #expect(try await pair.client.echo(String(repeating: "a", count: 900)).count == 900)
        #expect(await code { _ = try await pair.client.echo(String(repeating: "a", count: 1_001)) } == .overloaded)
        await pair.close()
    }

    @Test func callsAfterShutdownFailAsUnavailable() async throws {
        let pair = try MessagingPair.inproc([EchoContract()])
        await pair.clientContext.shutdown()
        #expect(await code { _ = try await pair.client.echo("") } == .unavailable)
        await pair.close()
    }

    @Test func callsUnderWayAtShutdownFailAsUnavailable() async throws {
        let (begun, release) = (Gate(), Gate())
        let pair = try MessagingPair.ipc(
            [
                EchoContract(onEcho: { call in
                    begun.open()
                    await release.wait()
                    return .reply(call.body)
                })
            ], caller: "client", access: OpenAccess())
        let call = Task { await code { _ = try await pair.client.echo("") } }
        await begun.wait()
        await pair.clientContext.shutdown()
        #expect(await call.value == .unavailable)
        release.open()
        await pair.close()
    }
}
