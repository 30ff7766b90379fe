import Contracts
import IMAPSyntax
import NIOCore

/// CATENATE in APPEND and REPLACE (RFC 4469), with octets of a part (URL-PARTIAL, RFC 5550).
///
/// How many octets a message will have is known only when its command is complete, and nothing is handed over before. What
/// the client sends of it is kept in memory till then, within `Limits.commandOctets`; of what a URL names only the place is
/// noted, when the URL comes, so that a bad one is told before more is sent. The octets go from storage into the upload
/// afterwards. The result is an APPEND like any other: the same receipts, and a fingerprint over its octets.
extension Session {
    /// Reads the parts of one message; returns the head of the next one, or nil at the end of the command.
    func gatherParts(
        into gathered: inout GatheredMessages, _ sources: inout CatenateSources
    ) async throws -> AppendMessage? {
        while true {
            switch try await nextEvent() {
            case .appendPart(let part):
                do {
                    try await take(part, into: &gathered, &sources)
                } catch {
                    parser.refuseLiteral()
                    throw error
                }
            case .literal:
                invite(ResponseText(nil, "Ready for the URL"))
            case .appendNext(let message):
                guard gathered.messageOctets > 0 else {
                    parser.refuseLiteral()
                    throw Refusal.emptyMessage
                }
                return message
            case .appendEnd:
                guard gathered.messageOctets > 0 else { throw Refusal.emptyMessage }
                return nil
            case .invalid(let failure):
                throw try appendInvalid(failure)
            case .needMore, .command, .append, .messageOctets, .messageEnd, .authenticationLine, .idleEnd:
                throw SessionEnd.bye(StatusResponse(.bye, .serverBug, "Internal error"))
            }
        }
    }

    private func take(
        _ part: AppendPart, into gathered: inout GatheredMessages, _ sources: inout CatenateSources
    ) async throws {
        switch part {
        case .url(let url): try await take(url: url, into: &gathered, &sources)
        case .text(let literal, _):
            guard literal.octets <= limits.commandOctets - gathered.octetsInMemory else {
                throw Refusal(
                    .no, .limit,
                    "The texts of one command may have \(limits.commandOctets) octets; append longer ones alone")
            }
            try checkSize(of: gathered, adding: literal.octets)
            if literal.isSynchronizing { invite(ResponseText(nil, "Ready for the text")) }
            while let piece = try await nextMessageOctets() { gathered.append(piece) }
        }
    }

    /// Reads for the command in hand.
    func sectionReader() -> StoredSectionReader {
        StoredSectionReader(store: services.store, transaction: transaction, timeout: limits.peerTimeout)
    }

    /// The sum counts, whatever the parts are (RFC 4469, 4.2).
    private func checkSize(of gathered: GatheredMessages, adding octets: Int) throws {
        guard octets <= limits.messageOctets - gathered.messageOctets else {
            throw Refusal(.no, .tooBig, "A message may have \(limits.messageOctets) octets")
        }
        guard octets <= limits.messageOctets - gathered.octetCount else { throw limitOfSeveral }
    }

    /// Notes where the octets lie that a URL names.
    private func take(
        url: String, into gathered: inout GatheredMessages, _ sources: inout CatenateSources
    ) async throws {
        func bad(_ text: String) -> Refusal { Refusal(.no, .badURL(url), text) }
        let parsed: IMAPURL
        do throws(IMAPURLError) {
            parsed = try IMAPURL(parsing: url)
        } catch {
            throw bad("Not a URL that can be taken: expected \(error.expected)")
        }
        let here = selected.map { MailboxName($0.mailbox.name) }
        guard let (mailbox, uid, part) = parsed.message(selected: here) else {
            throw bad("The URL must name a message on this server, or a part of one")
        }
        let place: MailboxKey?
        if part.mailbox == nil {
            // Whatever the selected mailbox is called by now.
            place = selected?.key
        } else {
            place = try await locate(mailbox, &sources)
        }
        guard let found = place else { throw bad("No such mailbox") }
        guard let message = try await storedMessage(uid, in: found, &sources) else { throw bad("No such message") }
        let reader = sectionReader()
        guard let piece = try await reader.piece(part, of: message, uid: uid, in: found, url: url) else {
            throw bad("No such part")
        }
        let section: StoredSection
        switch piece {
        case .octets(let octets):
            guard octets.readableBytes <= limits.commandOctets - gathered.octetsInMemory else { throw limitOfSeveral }
            try checkSize(of: gathered, adding: octets.readableBytes)
            return gathered.append(octets)
        case .stored(let stored): section = stored
        }
        try checkSize(of: gathered, adding: section.range.count)
        var position = 0
        while !machine.utf8IsEnabled, gathered.isInHeader, position < section.range.count {
            let end = min(position + 64 * 1024, section.range.count)
            gathered.look(at: try await reader.read(section, position..<end))
            position = end
        }
        gathered.append(section)
    }

    /// The mailbox that a URL names, if it is there and still the same one.
    private func locate(_ mailbox: IMAPURLMailbox, _ sources: inout CatenateSources) async throws -> MailboxKey? {
        let described: Mailbox
        if let known = sources.mailboxes[mailbox.name] {
            described = known
        } else if let found = try await describe(mailbox.name) {
            described = found
        } else {
            return nil
        }
        sources.mailboxes[mailbox.name] = described
        guard described.selectable, mailbox.uidValidity ?? described.uidValidity == described.uidValidity else {
            return nil
        }
        return MailboxKey(
            accountID: described.hasOwner ? described.owner.accountID : try accountID(),
            mailboxID: described.mailboxID)
    }

    /// A mailbox without its messages; nil when there is none of this name that the user may read.
    private func describe(_ name: MailboxName) async throws -> Mailbox? {
        do {
            let place = try await place(of: name, needing: .read)
            if let mailbox = place.mailbox { return mailbox }
            var request = ViewRequest()
            request.accountID = place.accountID
            request.mailboxName = place.name.value
            // Nothing is newer than this: the answer describes the mailbox and lists no message.
            request.changedSince = UInt64(Int64.max)
            return try await ViewLoad.read(from: services.store.view(request, callContext())).mailbox
        } catch let refusal as MailboxRefusal where refusal.outcome == .noSuchMailbox {
            return nil
        } catch is Refusal {
            return nil
        }
    }

    /// That mailboxes of others may still be read whose messages a command takes: it may have come slowly.
    func checkSources(of gathered: GatheredMessages) async throws {
        let user = try accountID()
        for (mailbox, url) in gathered.sources where mailbox.accountID != user {
            guard try await readable(mailbox.mailboxID, of: mailbox.accountID) != nil else {
                throw Refusal(.no, .badURL(url), "No such mailbox")
            }
        }
    }

    /// What is known of a message; nil when it is not there.
    private func storedMessage(
        _ uid: UInt32, in mailbox: MailboxKey, _ sources: inout CatenateSources
    ) async throws -> StoredMessage? {
        if let last = sources.last, last.mailbox == mailbox, last.uid == uid { return last.message }
        let found = try await sectionReader().message(uid, in: mailbox)
        if let found { sources.last = (mailbox, uid, found) }
        return found
    }
}

/// What is known of the mailboxes and messages that the URLs of one command name. The parts of a message follow one another
/// for the most part, so that the last one is kept.
struct CatenateSources: Sendable {
    var mailboxes: [MailboxName: Mailbox] = [:]
    var last: (mailbox: MailboxKey, uid: UInt32, message: StoredMessage)?
}
