import CZeroMQ
import Foundation
import Logging
import Messaging
import NIOCore

/// Compares the runtime with bare libzmq, in the same run and with the same security: 200-octet echo over ipc://,
/// one call at a time and 128 in flight. The bare loop has a ROUTER in one thread and a DEALER in another, and does
/// nothing but send and receive.
///
///     swift run -c release MessagingBenchmark [seconds of each measurement] [profile]
@main
struct MessagingBenchmark {
    static let octets = 200

    static func main() async throws {
        let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 3
        if CommandLine.arguments.dropFirst(2).first == "profile" {
            // The runtime alone, for a profiler.
            let rate = try await RuntimeEcho.run(curve: true, depth: 128, seconds: seconds, isOnSocketThread: true)
            return report("runtime, caller on the socket thread", 128, rate)
        }
        say("200-octet echo over ipc://, \(seconds) s each\n")
        for curve in [true, false] {
            say(curve ? "CURVE on both sides" : "no encryption on either side")
            for depth in [1, 128] {
                let before = try BareEcho(curve: curve).run(depth: depth, seconds: seconds)
                report("bare libzmq", depth, before)
                let own = try await RuntimeEcho.run(
                    curve: curve, depth: depth, seconds: seconds, isOnSocketThread: true)
                report("runtime, caller on the socket thread", depth, own)
                let pool = try await RuntimeEcho.run(
                    curve: curve, depth: depth, seconds: seconds, isOnSocketThread: false)
                report("runtime, caller on the concurrent pool", depth, pool)
                let after = try BareEcho(curve: curve).run(depth: depth, seconds: seconds)
                report("bare libzmq again", depth, after)
                let bare = (before + after) / 2
                if depth == 1 {
                    say(
                        String(
                            format: "    round trip: %.2f and %.2f times the bare one (goal: at most 2)\n", bare / own,
                            bare / pool))
                } else {
                    say(
                        String(
                            format: "    throughput: %.2f and %.2f of the bare one (goal: at least 0.5)\n", own / bare,
                            pool / bare))
                }
            }
        }
    }

    static func say(_ line: String) {
        print(line)
        fflush(nil)
    }

    static func report(_ name: String, _ depth: Int, _ rate: Double) {
        let line = name.padding(toLength: 42, withPad: " ", startingAt: 0)
        say(line + String(format: "%4d in flight %9.0f calls/s %8.1f µs a call", depth, rate, 1_000_000 / rate))
    }
}

/// The runtime's side of the comparison.
enum RuntimeEcho {
    private struct Echo: ContractServer {
        let contract = ContractDescription(number: 200, name: "Echo")

        func handle(_ call: IncomingCall) async throws -> CallResult { .reply(call.body) }
    }

    static func run(curve: Bool, depth: Int, seconds: Double, isOnSocketThread: Bool) async throws -> Double {
        var options = MessagingOptions()
        options.allowsPlaintext = !curve
        let logger = Logger(label: "benchmark")
        let serverKeys = try CurveKeyPair.generate()
        let clientKeys = try CurveKeyPair.generate()
        let path = "/tmp/martlet-benchmark-\(getpid()).sock"
        let serverContext = try MessagingContext(keys: curve ? serverKeys : nil, options: options, logger: logger)
        let server = try ServerSocket(
            serverContext, endpoint: "ipc://\(path)", contracts: [Echo()],
            peers: [clientKeys.publicKey: PeerIdentity(service: "benchmark")], access: OpenAccess())
        let clientContext = try MessagingContext(keys: curve ? clientKeys : nil, options: options, logger: logger)
        let client = PeerClient(
            clientContext, service: "echo", replicas: .endpoints([server.endpoint]), serverKey: serverKeys.publicKey)
        let contract = ContractDescription(number: 200, name: "Echo")
        let method = MethodDescription(number: 1, name: "echo", isIdempotent: true)
        let body = ByteBuffer(repeating: 0x61, count: MessagingBenchmark.octets)
        _ = try await client.call(contract, method, body: body, context: CallContext())

        let start = ContinuousClock.now
        let end = start.advanced(by: .seconds(seconds))
        let executor: (any TaskExecutor)? = isOnSocketThread ? clientContext.executor : nil
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<depth {
                group.addTask(executorPreference: executor) {
                    var count = 0
                    while ContinuousClock.now < end {
                        let reply = try await client.call(contract, method, body: body, context: CallContext())
                        precondition(reply.body.readableBytes == body.readableBytes)
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        let elapsed = ContinuousClock.now - start
        await clientContext.shutdown()
        await server.close()
        await serverContext.shutdown()
        return Double(total) / (Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
    }
}
