import Contracts
import IMAPSyntax
import Messaging
import NIOCore
import ServiceRuntime
import Settlement

/// APPEND (RFC 9051, 6.3.12; RFC 3502; RFC 3516, 4.4; RFC 4315, 3; RFC 6855, 4; of CATENATE, RFC 4469, see
/// `Catenating.swift`) and REPLACE (RFC 8508). Small messages are gathered, so that their hand-over can be repeated; a large one streams through to content processing while the
/// client sends it, and the last octets are held back until the command has proved complete: half a message is never
/// stored.
///
/// Several messages of one command are stored all or none (RFC 3502). That a message is not alone is known only when its
/// octets have come; a stream has been handed over by then, all but its end, and cannot wait for others that may take
/// hours. So several messages are gathered, within `Limits.commandOctets` together, and handed over with one request when
/// the command is complete: before that nothing of them is anywhere but here, and storage makes one transaction of it.
/// A stream that another message follows is given up, which stores nothing, as when its client vanishes. Its client is
/// told NO [LIMIT], and appends such messages one by one: for a large message a command of its own costs little.
extension Session {
    func append(_ command: AppendCommand) async throws {
        switch machine.appendArrived(command) {
        case .refuse(let status):
            parser.refuseLiteral()
            printer.tagged(command.tag, status)
            try accept(machine.badCommandArrived())
        case .run:
            followers = []
            defer { abandonNextBatch() }
            var request = AppendRequest()
            try await complete(command.tag, command.name) { session in
                do {
                    return try await session.store(command, &request)
                } catch {
                    await session.reviewAgain()
                    throw error
                }
            }
            try await answerFollowers(of: request)
        }
    }

    private func store(_ command: AppendCommand, _ request: inout AppendRequest) async throws -> CommandOutcome {
        let first: AppendedMessage
        let place: MailboxPlace
        // Octets of a message that streams.
        var streamed: Int?
        do {
            try await reviewSelected()
            place = try await self.place(of: command.mailbox, needing: .insert, asTarget: true)
            request.accountID = place.accountID
            request.mailboxName = place.name.value
            request.client.address = clientAddress
            knowledge.begin(&request.client, at: .now)
            if let identity = machine.identity { request.client.identity = identity }
            if let replaced = command.replaced { request.replaced = try replacement(replaced) }
            first = try AppendedMessage(command.message)
            if case .literal(let literal, _) = command.message.content, literal.octets > limits.inlineOctets {
                streamed = literal.octets
                try await checkTarget(place)
            }
        } catch {
            parser.refuseLiteral()
            throw error
        }
        if case .literal(let literal, _) = command.message.content, literal.isSynchronizing {
            invite(ResponseText(nil, "Ready for the message"))
        }
        let reply: AppendReply
        if let streamed {
            request.describe([first.permitted(by: place.rights)])
            let head = request
            reply = try await handingOver { try await $0.handOver(head, streamed: streamed, to: command, place) }
        } else {
            let gathered = try await gather(command.message, first)
            let rights = try await rightsStill(at: place, command.mailbox)
            let (payload, timeout) = try await handedOver(gathered, to: place)
            request.describe(gathered.messages.map { $0.permitted(by: rights) })
            // Only now they are whole.
            request.client.receivedUptime = Moment.now.uptime
            if let batch = company(of: command, gathered, request, place) {
                let (reply, isNoted) = try await handOver(request, batch)
                return try await outcome(of: reply, command, place.rights, replacing: 0, isNoted: isNoted)
            }
            reply = try await handOver(request, payload, timeout: timeout)
        }
        return try await outcome(of: reply, command, place.rights, replacing: request.replaced.uid)
    }

    /// What the user may do with a mailbox, now that the messages for it have come: that may have taken long. When it is not
    /// the one any more, or not for him, nothing is stored.
    func rightsStill(at place: MailboxPlace, _ name: MailboxName) async throws -> MailboxRights {
        guard let mailbox = place.mailbox else { return place.rights }
        let now = try await self.place(of: name, needing: .insert, asTarget: true)
        guard now.mailbox?.mailboxID == mailbox.mailboxID else { throw Refusal.noSuchTarget }
        return now.rights
    }

    /// Which message of the selected mailbox goes. A uid that is not there any more is for storage to judge: a first try
    /// of the same command may have replaced it, whose reply was lost.
    private func replacement(_ message: ReplacedMessage) throws -> Replacement {
        guard let selected, !selected.view.readOnly else { throw Refusal.readOnly }
        // RFC 8508, 4.1.
        try require([.deleteMessages, .expunge])
        let view = selected.view
        var replacement = Replacement()
        replacement.accountID = selected.accountID
        replacement.mailboxID = view.mailboxID
        switch (message.numbering, message.number) {
        case (.sequenceNumbers, let number):
            let position = number == .largest ? view.told.count - 1 : Int(number.rawValue) - 1
            guard (0..<view.told.count).contains(position) else {
                throw Refusal(.bad, nil, "No message has such a number")
            }
            replacement.uid = view.told.uids[position]
        case (.uids, .largest):
            guard let last = view.told.uids.last else { throw Refusal(.no, .nonExistent, "The mailbox is empty") }
            replacement.uid = last
        case (.uids, let number):
            replacement.uid = number.rawValue
        }
        return replacement
    }

    /// Hands over what stands in memory, or in storage.
    func handOver(_ request: AppendRequest, _ payload: Payload, timeout: Duration) async throws -> AppendReply {
        try await handingOver { session in
            try await session.services.acceptance.append(
                request, message: payload,
                CallContext(transaction: session.transaction, timeout: timeout, idempotencyKey: .next()))
        }
    }

    /// When a hand-over fails nobody knows what it has left behind; the session remembers some, and then ends.
    private func handingOver(
        _ body: (isolated Session) async throws -> AppendReply
    ) async throws -> AppendReply {
        do {
            return try await body(self)
        } catch {
            knowledge.refused(transaction)
            if knowledge.denied.count >= ClientKnowledge.deniedLimit {
                farewell = StatusResponse(.bye, .unavailable, "Too much fails here at the moment, come again")
            }
            throw error
        }
    }

    /// A large message for a mailbox that is not there is refused before its octets are sent.
    private func checkTarget(_ place: MailboxPlace) async throws {
        if place.isForeign { return }
        var request = ViewRequest()
        request.accountID = place.accountID
        request.mailboxName = place.name.value
        request.changedSince = UInt64(Int64.max)
        do {
            _ = try await ViewLoad.read(from: services.store.view(request, callContext()))
        } catch let refusal as MailboxRefusal {
            throw Refusal(refusal.outcome, target: true) ?? .serverBug
        }
    }

    /// Reads messages to the end of the command, the first of which has been asked for.
    private func gather(_ first: AppendMessage, _ described: AppendedMessage) async throws -> GatheredMessages {
        var gathered = GatheredMessages()
        var sources = CatenateSources()
        var next: (head: AppendMessage, message: AppendedMessage)? = (first, described)
        while let (head, message) = next {
            let behind: AppendMessage?
            switch head.content {
            case .literal(let literal, _):
                gathered.begin(message, announcing: literal.octets)
                while let piece = try await nextMessageOctets() { gathered.append(piece) }
                behind = try await endOrNextMessage()
            case .parts:
                gathered.begin(message, announcing: 0)
                behind = try await gatherParts(into: &gathered, &sources)
            }
            guard let following = behind else { break }
            do {
                next = (following, try another(following, behind: gathered))
            } catch {
                parser.refuseLiteral()
                throw error
            }
            if case .literal(let literal, _) = following.content, literal.isSynchronizing {
                invite(ResponseText(nil, "Ready for the next message"))
            }
        }
        machine.appendComplete()
        try check(gathered.has8BitHeader)
        return gathered
    }

    /// A message that follows others in one command; throws when it cannot be stored with them.
    private func another(
        _ message: AppendMessage, behind gathered: GatheredMessages
    ) throws -> AppendedMessage {
        let described = try AppendedMessage(message)
        let limit = limits.commandMessages
        guard limit == 0 || gathered.messages.count < limit else { throw Refusal.beyond(limit) }
        guard gathered.messages.count < limits.appendedMessages else { throw limitOfSeveral }
        if case .literal(let literal, _) = message.content {
            guard literal.octets <= limits.inlineOctets,
                literal.octets <= limits.commandOctets - gathered.octetsInMemory
            else { throw limitOfSeveral }
        }
        return described
    }

    /// What is handed over when the command is complete, and how long that may take.
    private func handedOver(
        _ gathered: GatheredMessages, to place: MailboxPlace
    ) async throws -> (Payload, timeout: Duration) {
        if let octets = gathered.octets { return (Payload(octets), limits.peerTimeout) }
        try await checkSources(of: gathered)
        let source = gathered.source(from: sectionReader())
        if source.octetCount <= limits.inlineOctets { return (Payload(try await source.all()), limits.peerTimeout) }
        try await checkTarget(place)
        // As if a MiB took a second to be read.
        return (Payload(source: source), limits.peerTimeout + .seconds(source.octetCount >> 20))
    }

    var limitOfSeveral: Refusal {
        Refusal(
            .no, .limit,
            "Together go at most \(limits.appendedMessages) messages of \(limits.inlineOctets) octets each and "
                + "\(limits.commandOctets) in all; append larger ones alone")
    }

    func check(_ has8BitHeader: Bool) throws {
        guard !has8BitHeader || machine.utf8IsEnabled else {
            throw Refusal(.no, .cannot, "UTF-8 in a header needs ENABLE UTF8=ACCEPT")
        }
    }

    /// The message's next octets, nil when all have come.
    func nextMessageOctets() async throws -> ByteBuffer? {
        switch try await nextEvent() {
        case .messageOctets(let octets): return octets
        case .messageEnd: return nil
        case .invalid(let failure): throw try appendInvalid(failure)
        case .needMore, .command, .literal, .append, .appendPart, .appendNext, .appendEnd, .authenticationLine,
            .idleEnd:
            throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
        }
    }

    /// What stands behind a message: another one, or nil for the end of the command.
    private func endOrNextMessage() async throws -> AppendMessage? {
        switch try await nextEvent() {
        case .appendEnd: return nil
        case .appendNext(let message): return message
        case .invalid(let failure): throw try appendInvalid(failure)
        case .needMore, .command, .literal, .append, .appendPart, .messageOctets, .messageEnd, .authenticationLine,
            .idleEnd:
            throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
        }
    }

    /// The end of a command whose message streams.
    func expectEnd() async throws {
        guard try await endOrNextMessage() != nil else { return }
        parser.refuseLiteral()
        throw limitOfSeveral
    }

    func appendInvalid(_ failure: InvalidCommand) throws -> Refusal {
        if failure.mustClose { throw SessionEnd.bye(failure.response) }
        if case .end(let bye) = machine.badCommandArrived() { farewell = bye }
        let status = failure.response
        return Refusal(status.condition, status.text.code, status.text.text)
    }

    /// The command's answer. `isNoted` says that what has arrived was noted when it was stored with others.
    func outcome(
        of reply: AppendReply, _ command: AppendCommand, _ rights: MailboxRights, replacing replaced: UInt32,
        isNoted: Bool = false
    ) async throws -> CommandOutcome {
        await reviewAgain()
        switch reply.outcome {
        case .stored:
            if reply.hasReceipt { knowledge.replied(reply.receipts.isEmpty ? [reply.receipt] : reply.receipts) }
            let uids = reply.uids.isEmpty ? [reply.uid] : reply.uids
            let isReplacement = command.replaced != nil
            if !isNoted { await note(arrivalOf: uids, in: reply.mailboxID, isReplacement: isReplacement) }
            // Who may not read the target learns nothing of it (RFC 4315, 3).
            let code: ResponseCode? =
                rights.contains(.read)
                ? SequenceSet(inOrder: uids).map { ResponseCode.appendUID(validity: reply.uidValidity, $0) } : nil
            guard isReplacement else { return .ok("APPEND completed", code, synchronising: .full) }
            // Before EXPUNGE, so that the client knows what has come before it hears what has gone (RFC 8508, 4.3).
            if let code { printer.untagged(StatusResponse(.ok, code, "The replacement is there")) }
            return try await expunged("REPLACE completed")
        case .noSuchMailbox: throw Refusal(.no, .tryCreate, "No such mailbox")
        case .overQuota: throw Refusal(.no, .overQuota, "Over quota")
        case .noSuchMessage:
            // Another session was faster, or there never was one.
            try? await refreshSelected()
            let wasThere = selected?.view.told.index(of: replaced) != nil
            throw Refusal(.no, wasThere ? .expungeIssued : .nonExistent, "The message to replace is not there any more")
        case .beyondLimit:
            throw Refusal(.no, .limit, reply.explanation.isEmpty ? "Beyond a limit" : reply.explanation)
        case .unspecified, .UNRECOGNIZED: throw Refusal.serverBug
        }
    }

    /// Messages that the client itself has put there. Into the selected mailbox, or out of it: the client is told at once
    /// (RFC 9051, 6.3.12; RFC 8508, 3.4).
    func note(arrivalOf uids: [UInt32], in mailboxID: Int64, isReplacement: Bool = false) async {
        notifications?.told?.stored(uids, in: mailboxID)
        let isSelected = selected?.view.mailboxID == mailboxID
        if isSelected { selected?.ownArrivals.formUnion(uids) }
        if isReplacement || isSelected { try? await refreshSelected() }
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

extension AppendedMessage {
    /// What a client says of a message; throws when it cannot be stored. An empty one is how a client gives up (RFC 3502).
    init(_ message: AppendMessage) throws {
        self.init()
        flags = try Session.storable(message.flags)
        internalDate = message.internalDate?.microsecondsSince1970 ?? 0
        guard case .literal(let literal, _) = message.content else { return }
        messageOctets = Int64(literal.octets)
        guard literal.octets > 0 else { throw Refusal.emptyMessage }
    }

    /// Without the flags that the user may not set there, which does not fail for them (RFC 4314, 4).
    fileprivate func permitted(by rights: MailboxRights) -> AppendedMessage {
        var permitted = self
        permitted.flags = flags.filter { rights.allow(Flag($0)) }
        return permitted
    }
}

extension Refusal {
    static let emptyMessage = Refusal(.no, nil, "An empty message is not stored")
}

extension AppendRequest {
    /// One message is described as it always was, so that replicas of the last release take it; not one that takes
    /// another's place, since they would leave that where it is.
    fileprivate mutating func describe(_ messages: [AppendedMessage]) {
        guard !hasReplaced, messages.count == 1, let only = messages.first else {
            self.messages = messages
            return
        }
        flags = only.flags
        internalDate = only.internalDate
        messageOctets = only.messageOctets
    }
}
