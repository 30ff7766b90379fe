import Glibc
import NIOCore
import NIOPosix
import ServiceRuntime
import Synchronization

/// How far event loops have come with taking in what reaches their sockets.
///
/// Each loop sends itself an octet through a pair of sockets: the kernel reports sockets in the order in which they
/// became readable, so that by then the loop has read from each that was readable before. An end that follows octets is
/// read in the turn after theirs, so an octet goes round three times before what had arrived when it set out counts as taken
/// in. Time decides nothing: a loop that stood still may do several late things at once before it looks at a socket, and
/// nobody waits for one that is shut down, it only gets no further.
public final class EventLoopTurns: Sendable {
    private let loops: Mutex<[Moment]>

    /// From one octet's return to the next one's departure.
    static let interval = TimeAmount.milliseconds(100)

    /// Watches the loops of the group until they are shut down.
    /// - Throws: `IOError` when no pair of sockets is to be had.
    public init(_ group: any EventLoopGroup) async throws {
        let all = Array(group.makeIterator())
        loops = Mutex(Array(repeating: .now, count: all.count))
        for (index, loop) in all.enumerated() {
            var ends: [CInt] = [-1, -1]
            let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
                throw IOError(errnoCode: errno, reason: "socketpair")
            }
            _ = try await NIOPipeBootstrap(group: loop).channelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Roundabout(of: index, in: self))
                }
            }.takingOwnershipOfDescriptors(input: ends[0], output: ends[1]).get()
        }
    }

    /// All that had arrived at this moment is taken in.
    public var takenIn: Moment {
        loops.withLock { loops in loops.min { $0.since($1) < .zero } ?? .now }
    }

    fileprivate func tookIn(_ moment: Moment, loop: Int) { loops.withLock { $0[loop] = moment } }
}

/// Sends an octet round through a loop's pair of sockets, again and again, and notes when it set out.
private final class Roundabout: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let octet = ByteBuffer(bytes: [0])
    private static let rounds = 3

    private let loop: Int
    private weak var turns: EventLoopTurns?
    private var departure = Moment.now
    private var roundsLeft = 0

    init(of loop: Int, in turns: EventLoopTurns?) {
        self.loop = loop
        self.turns = turns
    }

    func channelActive(context: ChannelHandlerContext) { depart(context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let turns else { return context.close(promise: nil) }
        roundsLeft -= 1
        guard roundsLeft == 0 else { return send(context) }
        turns.tookIn(departure, loop: loop)
        let this = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: EventLoopTurns.interval) { this.value.handler.depart(this.value.context) }
    }

    private func depart(_ context: ChannelHandlerContext) {
        departure = .now
        roundsLeft = Self.rounds
        send(context)
    }

    private func send(_ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(Self.octet), promise: nil)
    }
}
