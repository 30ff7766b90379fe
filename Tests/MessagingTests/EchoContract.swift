import Atomics
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization
import TestSupport

/// A contract of the tests' own, below protobuf: what each method does is written beside its number.
struct EchoContract: ContractServer {
    static let description = ContractDescription(number: 200, name: "Echo")
    static let echo = MethodDescription(number: 1, name: "echo", isIdempotent: true)
    static let echoOnce = MethodDescription(number: 2, name: "echoOnce", isIdempotent: false)
    static let count = MethodDescription(number: 3, name: "count", isIdempotent: true)
    static let stream = MethodDescription(number: 4, name: "stream", isIdempotent: true)
    static let unknown = MethodDescription(number: 60, name: "unknown", isIdempotent: true)

    typealias Handler = @Sendable (IncomingCall) async throws -> CallResult

    let contract = Self.description
    /// Answers `echo` and `echoOnce`.
    var onEcho: Handler = { .reply($0.body, payload: $0.payload.frames ?? []) }
    /// Answers `count`: how many octets were uploaded.
    var onCount: Handler = { call in
        var count = 0
        for try await chunk in call.payload { count += chunk.readableBytes }
        return .reply(ByteBuffer(integer: count))
    }
    /// Answers `stream`.
    var onStream: Handler = { _ in .end }

    func handle(_ call: IncomingCall) async throws -> CallResult {
        switch call.method {
        case 1, 2: try await onEcho(call)
        case 3: try await onCount(call)
        case 4: try await onStream(call)
        default: throw MessagingError(.unknownMethod)
        }
    }
}

extension PeerClient {
    func echo(
        _ text: String, _ method: MethodDescription = EchoContract.echo,
        _ context: CallContext = CallContext(timeout: .seconds(60))
    ) async throws(MessagingError) -> String {
        let reply = try await call(
            EchoContract.description, method, body: ByteBuffer(string: text), context: context)
        return String(buffer: reply.body)
    }

    func stream(_ context: CallContext = CallContext(timeout: .seconds(60))) async throws(MessagingError) -> PeerStream
    {
        try await stream(EchoContract.description, EchoContract.stream, body: ByteBuffer(), context: context)
    }

    func count(_ octets: Payload, _ context: CallContext = CallContext(timeout: .seconds(60))) async throws -> Int? {
        let reply = try await upload(
            EchoContract.description, EchoContract.count, body: ByteBuffer(), octets: octets, context: context)
        return reply.body.getInteger(at: reply.body.readerIndex)
    }
}

/// A service of several replicas in one folder, each with a context of its own so that it can be "killed": its sockets
/// are closed without a word, as the kernel does for a process that dies.
final class Replicas: Sendable {
    let directory: TemporaryDirectory
    let serverKeys: CurveKeyPair
    let clientKeys: CurveKeyPair
    let clientContext: MessagingContext
    private let running = Mutex<[Int: (MessagingContext, ServerSocket)]>([:])

    init(options: MessagingOptions = MessagingOptions()) throws {
        directory = try TemporaryDirectory()
        serverKeys = try CurveKeyPair.generate()
        clientKeys = try CurveKeyPair.generate()
        clientContext = try MessagingContext(keys: clientKeys, options: options, logger: .quiet)
    }

    @discardableResult
    func start(_ number: Int, _ contract: EchoContract, limits: ServerLimits = ServerLimits()) throws -> ServerSocket {
        let context = try MessagingContext(keys: serverKeys, logger: .quiet)
        let server = try ServerSocket(
            context, endpoint: endpoint(number), contracts: [contract],
            peers: [clientKeys.publicKey: PeerIdentity(service: "client")], access: OpenAccess(), limits: limits)
        running.withLock { $0[number] = (context, server) }
        return server
    }

    func endpoint(_ number: Int) -> String {
        ServiceEndpoint.requests(directory: directory.path, service: "echo", replica: number)
    }

    func kill(_ number: Int) async {
        let replica = running.withLock { $0.removeValue(forKey: number) }
        await replica?.0.shutdown()
    }

    func client(_ numbers: [Int], patience: Duration = .seconds(5)) -> PeerClient {
        PeerClient(
            clientContext, service: "echo", replicas: .endpoints(numbers.map(endpoint)),
            serverKey: serverKeys.publicKey, patience: patience)
    }

    func discoveringClient() -> PeerClient {
        PeerClient(
            clientContext, service: "echo", replicas: .directory(directory.path), serverKey: serverKeys.publicKey,
            patience: .seconds(5))
    }

    func stop() async {
        await clientContext.shutdown()
        let all = running.withLock { running in
            defer { running = [:] }
            return running.values.map(\.0)
        }
        for context in all { await context.shutdown() }
    }
}

/// Opened once; whoever waits goes on then, or when it is cancelled: a test's time limit can end it.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var lastNumber = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    func wait() async {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.isOpen || Task.isCancelled { return true }
                    state.waiting[number] = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume()
        }
    }
}

/// Asks again until the condition holds; fails the test by the deadline otherwise.
func eventually(within limit: Duration = .seconds(60), _ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return await condition()
}

/// The code of the messaging error that the body throws.
func code(_ body: () async throws -> Void) async -> MessagingError.Code? {
    do {
        try await body()
        return nil
    } catch let error as MessagingError {
        return error.code
    } catch {
        return nil
    }
}
