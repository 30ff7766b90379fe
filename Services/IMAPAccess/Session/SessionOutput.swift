import IMAPSyntax
import NIOCore
import Settlement

/// What a session writes. It is produced only while the channel is writable.
extension Session {
    /// Sends what was printed.
    func flush() {
        if printer.buffer.readableBytes > 0 { send(printer.take()) }
        channel.flush()
    }

    /// Hands octets to the channel. How far they came matters while the client may not know of a delivery.
    func send(_ octets: ByteBuffer) {
        guard knowledge.isInDoubt else { return channel.write(octets, promise: nil) }
        end.writeBegan()
        channel.write(octets).assumeIsolated().whenComplete { [weak self] result in
            self?.assumeIsolated { $0.end.writeEnded(sent: (try? result.get()) != nil) }
        }
    }

    /// Asks the client to go on (RFC 9051, 7.6). What it sends then shows that it has read all that came before, unless
    /// it did not wait.
    func invite(_ text: ResponseText) {
        if !hasInput, parser.bufferedOctets == 0, compression?.hasPending != true {
            knowledge.prompted(at: .now)
        }
        printer.continuation(text)
    }

    /// So much of a long answer gathers before it is sent.
    private static var pieceOctets: Int { 32 * 1024 }

    /// To be called between pieces of a long answer: sends what has gathered, and waits while the client does not read.
    func breathe() async throws {
        guard printer.buffer.readableBytes >= Self.pieceOctets || !channel.isWritable else { return }
        flush()
        try await writable()
        // More will come: a buffer that grows step by step is copied at each.
        printer.reserve(Self.pieceOctets + Self.pieceOctets / 4)
    }

    /// Octets that go out as they are, after what was printed.
    func write(_ octets: ByteBuffer) async throws {
        if octets.readableBytes < 8 * 1024 {
            printer.raw(octets)
        } else {
            if printer.buffer.readableBytes > 0 { send(printer.take()) }
            send(octets)
            channel.flush()
        }
        try await breathe()
    }

    /// Waits until the channel takes more.
    func writable() async throws {
        while !channel.isWritable {
            let woken = await wait(for: [.writable, .gone], within: limits.writeTimeout)
            try Task.checkGone(woken)
            if woken.contains(.timedOut) { throw SessionEnd.clientGone }
        }
        if !channel.isActive { throw SessionEnd.clientGone }
    }
}
