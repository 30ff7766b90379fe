import Contracts
import IMAPSyntax
import Messaging
import NIOCore
import Settlement

/// APPEND (RFC 9051, 6.3.12; RFC 3516, 4.4; RFC 4315, 3). A small message is gathered, so that its hand-over can be
/// repeated; a large one streams through to content processing while the client sends it, and the last octets are
/// held back until the command has proved complete: half a message is never stored.
extension Session {
    func append(_ command: AppendCommand) async throws {
        switch machine.appendArrived() {
        case .refuse(let status):
            parser.refuseLiteral()
            printer.tagged(command.tag, status)
            try accept(machine.badCommandArrived())
        case .run:
            try await complete(command.tag, "APPEND") { try await $0.store(command) }
        }
    }

    private func store(_ command: AppendCommand) async throws -> CommandOutcome {
        var request = AppendRequest()
        let literal = command.message.literal
        do {
            request.accountID = try accountID()
            request.mailboxName = command.mailbox.value
            request.flags = try Self.storable(command.message.flags)
            request.internalDate = command.message.internalDate?.microsecondsSince1970 ?? 0
            request.messageOctets = Int64(literal.octets)
            request.client.address = clientAddress
            knowledge.begin(&request.client, at: .now)
            if let identity = machine.identity { request.client.identity = identity }
            guard literal.octets > 0 else { throw Refusal(.no, nil, "An empty message is not stored") }
            if literal.octets > limits.inlineOctets { try await checkTarget(command.mailbox) }
        } catch {
            parser.refuseLiteral()
            throw error
        }
        if literal.isSynchronizing { invite(ResponseText(nil, "Ready for the message")) }
        let reply: AppendReply
        do {
            reply =
                literal.octets <= limits.inlineOctets
                ? try await handOver(request, gathered: literal.octets)
                : try await handOver(request, streamed: literal.octets)
        } catch {
            // Nobody knows what it has left behind; the session remembers some, and then ends.
            knowledge.refused(transaction)
            if knowledge.denied.count >= ClientKnowledge.deniedLimit {
                farewell = StatusResponse(.bye, .unavailable, "Too much fails here at the moment, come again")
            }
            throw error
        }
        return try await outcome(of: reply)
    }

    /// A large message for a mailbox that is not there is refused before its octets are sent.
    private func checkTarget(_ name: MailboxName) async throws {
        var request = ViewRequest()
        request.accountID = try accountID()
        request.mailboxName = name.value
        request.changedSince = UInt64(Int64.max)
        do {
            _ = try await ViewLoad.read(from: services.store.view(request, callContext()))
        } catch let refusal as MailboxRefusal {
            throw Refusal(refusal.outcome, target: true) ?? .serverBug
        }
    }

    private func handOver(_ request: AppendRequest, gathered octets: Int) async throws -> AppendReply {
        var message = ByteBuffer()
        message.reserveCapacity(octets)
        while var piece = try await nextMessageOctets() { message.writeBuffer(&piece) }
        try await expectEnd()
        machine.appendComplete()
        return try await services.acceptance.append(
            request, message: Payload(message), callContext(changing: true))
    }

    private func handOver(_ request: AppendRequest, streamed octets: Int) async throws -> AppendReply {
        upload = AppendUpload()
        defer { upload = nil }
        let payload = Payload(octetCount: octets) { [self] in try await nextUploadOctets() }
        let result: Result<AppendReply, any Error>
        do {
            // As long as the client sends: its silence is bounded, and a dead peer is noticed.
            let context = CallContext(
                transaction: transaction, timeout: .seconds(24 * 3600), idempotencyKey: .next())
            result = .success(try await services.acceptance.append(request, message: payload, context))
        } catch {
            result = .failure(error)
        }
        if upload?.isPulling == true {
            signal(.interrupted)
            await withCheckedContinuation { upload?.pullEnded = $0 }
        }
        // What the client ended with goes before what the peer made of it.
        if let failure = upload?.failure { throw failure }
        if upload?.isComplete == false {
            while try await nextMessageOctets() != nil {}
            try await expectEnd()
        }
        machine.appendComplete()
        return try result.get()
    }

    /// Called by messaging when content processing has room for more.
    private func nextUploadOctets() async throws -> ByteBuffer? {
        guard upload != nil else { throw CancellationError() }
        upload?.isPulling = true
        defer {
            upload?.isPulling = false
            upload?.pullEnded?.resume()
            upload?.pullEnded = nil
        }
        do {
            while upload?.isComplete == false {
                if let piece = try await nextMessageOctets() {
                    if let held = upload?.exchange(piece) { return held }
                } else {
                    try await expectEnd()
                    upload?.isComplete = true
                }
            }
            return upload?.exchange(nil)
        } catch {
            if !(error is CancellationError) { upload?.failure = error }
            throw error
        }
    }

    /// The message's next octets, nil when all have come.
    private func nextMessageOctets() async throws -> ByteBuffer? {
        switch try await nextEvent() {
        case .messageOctets(let octets): return octets
        case .messageEnd: return nil
        case .invalid(let failure): throw try appendInvalid(failure)
        case .needMore, .command, .literal, .append, .appendEnd, .authenticationLine, .idleEnd:
            throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
        }
    }

    private func expectEnd() async throws {
        switch try await nextEvent() {
        case .appendEnd: return
        case .invalid(let failure): throw try appendInvalid(failure)
        case .needMore, .command, .literal, .append, .messageOctets, .messageEnd, .authenticationLine, .idleEnd:
            throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
        }
    }

    private func appendInvalid(_ failure: InvalidCommand) throws -> Refusal {
        if failure.mustClose { throw SessionEnd.bye(failure.response) }
        if case .end(let bye) = machine.badCommandArrived() { farewell = bye }
        let status = failure.response
        return Refusal(status.condition, status.text.code, status.text.text)
    }

    private func outcome(of reply: AppendReply) async throws -> CommandOutcome {
        switch reply.outcome {
        case .stored:
            if reply.hasReceipt { knowledge.replied([reply.receipt]) }
            // Into the selected mailbox: the client is told at once (RFC 9051, 6.3.12).
            notifications?.told?.stored([reply.uid], in: reply.mailboxID)
            if selected?.view.mailboxID == reply.mailboxID {
                selected?.ownArrivals.insert(reply.uid)
                try? await refreshSelected()
            }
            guard let uid = SequenceNumber(reply.uid) else { return .ok("APPEND completed") }
            let code = ResponseCode.appendUID(
                validity: reply.uidValidity, SequenceSet(SequenceRange(uid)))
            return .ok("APPEND completed", code, synchronising: .full)
        case .noSuchMailbox: throw Refusal(.no, .tryCreate, "No such mailbox")
        case .overQuota: throw Refusal(.no, .overQuota, "Over quota")
        case .beyondLimit:
            throw Refusal(.no, .limit, reply.explanation.isEmpty ? "Beyond a limit" : reply.explanation)
        case .unspecified, .UNRECOGNIZED: throw Refusal.serverBug
        }
    }

    /// Flags as storage takes them. System flags that no client may set are refused.
    static func storable(_ flags: [Flag]) throws -> [String] {
        try flags.compactMap { flag in
            // Only servers know what is recent; a client that sends it back means no harm.
            if flag == .recent { return nil }
            guard !flag.isSystem || [.seen, .answered, .flagged, .deleted, .draft].contains(flag) else {
                throw Refusal(.no, .cannot, "\(flag.name) cannot be set")
            }
            return flag.name
        }
    }
}

/// One APPEND that streams through.
struct AppendUpload {
    /// The newest octets, held back until more come or the command is complete.
    private var held: ByteBuffer?
    /// The command is complete; what is held may go.
    var isComplete = false
    /// What the client did wrong, or that it is gone.
    var failure: (any Error)?
    /// Messaging waits for octets at this moment.
    var isPulling = false
    /// Resumed when it does not any more.
    var pullEnded: CheckedContinuation<Void, Never>?

    /// Keeps the newest octets and gives out those before.
    mutating func exchange(_ octets: ByteBuffer?) -> ByteBuffer? {
        defer { held = octets }
        return held
    }
}
