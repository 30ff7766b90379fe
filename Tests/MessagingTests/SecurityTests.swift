import Messaging
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SecurityTests {
    /// Lets "reader" call `echo` only, and "nobody" nothing.
    struct ReaderAccess: AccessPolicy {
        func permits(_ caller: PeerIdentity, contract: UInt8, method: UInt8) -> Bool {
            caller.service == "reader" && method == EchoContract.echo.number
        }
    }

    @Test func aMethodThatTheCallerMayNotCallIsDenied() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "reader", access: ReaderAccess())
        #expect(try await pair.client.echo("allowed") == "allowed")
        #expect(await code { _ = try await pair.client.echo("", EchoContract.echoOnce) } == .denied)
        #expect(await code { _ = try await pair.client.stream() } == .denied)
        await pair.close()
    }

    @Test func aServiceThatMayCallNothingCannotConnect() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "nobody", access: ReaderAccess())
        #expect(await code { _ = try await pair.client.echo("") } == .denied)
        await pair.close()
    }

    @Test func anUnknownKeyCannotConnect() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "reader", access: OpenAccess())
        let stranger = try MessagingContext(keys: .generate(), logger: .quiet)
        let client = PeerClient(
            stranger, service: "echo", replicas: .endpoints([pair.server.endpoint]),
            serverKey: pair.serverContext.keys?.publicKey, patience: .seconds(60))
        #expect(await code { _ = try await client.echo("") } == .denied)
        await stranger.shutdown()
        await pair.close()
    }

    @Test func aServerWithAnotherKeyIsNotSpokenTo() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "reader", access: OpenAccess())
        let client = PeerClient(
            pair.clientContext, service: "echo", replicas: .endpoints([pair.server.endpoint]),
            serverKey: try CurveKeyPair.generate().publicKey, patience: .milliseconds(300))
        #expect(await code { _ = try await client.echo("") } == .unavailable)
        await pair.close()
    }

    @Test func aClientThatSpeaksInTheClearIsNotHeard() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "reader", access: OpenAccess())
        var options = MessagingOptions()
        options.allowsPlaintext = true
        let plain = try MessagingContext(keys: nil, options: options, logger: .quiet)
        let client = PeerClient(
            plain, service: "echo", replicas: .endpoints([pair.server.endpoint]), serverKey: nil,
            patience: .milliseconds(300))
        #expect(await code { _ = try await client.echo("") } == .unavailable)
        await plain.shutdown()
        await pair.close()
    }

    @Test func withoutKeysOnlyInprocIsOpen() async throws {
        let directory = try TemporaryDirectory()
        let context = try MessagingContext(keys: nil, logger: .quiet)
        let failure = await code {
            _ = try ServerSocket(
                context, endpoint: "ipc://\(directory.path)/plain.sock", contracts: [EchoContract()],
                access: OpenAccess())
        }
        #expect(failure == .denied)
        await context.shutdown()
    }

    @Test func aPeerThatIsNoLongerNamedIsDeniedAtOnce() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "reader", access: OpenAccess())
        #expect(try await pair.client.echo("named") == "named")
        pair.server.setPeers([:])
        // It goes to the server's thread like a call, and one that is made after it may come there before.
        #expect(await eventually { await code { _ = try await pair.client.echo("") } == .denied })
        await pair.close()
    }

    @Test func aServiceThatIsNamedLaterIsLetInWithoutARestart() async throws {
        let pair = try MessagingPair.ipc([EchoContract()], caller: "nobody", access: ReaderAccess())
        let key = try #require(pair.clientContext.keys?.publicKey)
        #expect(await code { _ = try await pair.client.echo("") } == .denied)
        pair.server.setPeers([key: PeerIdentity(service: "reader")])
        #expect(await eventually { (try? await pair.client.echo("named")) == "named" })
        await pair.close()
    }

    @Test func keysAreReadAndDerived() throws {
        let pair = try CurveKeyPair.generate()
        #expect(try CurveKeyPair(secretKey: " \(pair.secretKey)\n").publicKey == pair.publicKey)
        #expect(CurvePublicKey(pair.publicKey.description) == pair.publicKey)
        #expect(CurvePublicKey("too short") == nil)
        #expect(CurvePublicKey(String(repeating: "~", count: 40)) == nil)
        #expect(throws: MessagingError.self) { try CurveKeyPair(secretKey: String(repeating: "é", count: 20)) }
    }
}
