import Contracts
import IMAPSyntax
import NIOCore
import ServiceRuntime

/// RESETKEY, GENURLAUTH and URLFETCH (RFC 4467; RFC 5092, 6.1): URLs that give others a message of this user, or a part.
///
/// The one mechanism is INTERNAL: storage makes the proof, with a key that it shows nobody. The name of the server in a URL
/// is the client's choice: a server has several names, and those that stand before a proxy it does not know itself. It is
/// part of what is proved, so that nobody can put another in its place.
extension Session {
    func resetKeys(_ arguments: ResetKeyCommand) async throws -> CommandOutcome {
        guard arguments.mechanisms.allSatisfy({ $0 == Self.mechanism }) else { throw Self.unknownMechanism(.no) }
        guard arguments.mailbox?.value.isEmpty != true else { throw Refusal.noSuchMailbox }
        // Keys are those of the owner, who alone gives URLs of a mailbox.
        if let mailbox = arguments.mailbox, NamespacedName(mailbox).isForeign { throw Refusal.noSuchMailbox }
        var request = ResetURLKeysRequest()
        request.accountID = try accountID()
        request.mailboxName = arguments.mailbox?.value ?? ""
        try Refusal.check(try await services.store.resetURLKeys(request, callContext(changing: true)).outcome)
        if arguments.mailbox == nil { return .ok("All keys removed") }
        return .ok("The mailbox has another key", machine.isSecured ? .urlMechanisms([]) : nil)
    }

    /// Tells that the selected mailbox has another key, whoever gave it (RFC 4467, 7).
    func tellURLKey(of mailbox: SharedMailbox) {
        let keys = mailbox.urlKeys.load(ordering: .acquiring)
        // Of somebody else's no key is this user's.
        guard machine.isSecured, let selected, !selected.isForeign, selected.urlKeys != keys else { return }
        self.selected?.urlKeys = keys
        printer.untagged(StatusResponse(.ok, .urlMechanisms([]), "The mailbox has another key"))
    }

    /// GENURLAUTH: all of the URLs or none.
    func authorize(_ requests: [URLAuthorizationRequest]) async throws -> CommandOutcome {
        var urls: [String] = []
        for request in requests {
            guard request.mechanism == Self.mechanism else { throw Self.unknownMechanism(.bad) }
            var authorization = AuthorizeURLRequest()
            authorization.accountID = try accountID()
            authorization.mailboxName = try mailbox(toAuthorize: request.url).value
            authorization.rump = Bytes(request.url.utf8)
            let reply = try await services.store.authorizeURL(authorization, callContext())
            // RFC 4467, 7 wants BAD for a mailbox that is not there.
            if reply.outcome == .noSuchMailbox { throw Self.notThere }
            try Refusal.check(reply.outcome)
            guard let verifier = IMAPURLVerifier(mechanism: Self.mechanism, octets: reply.token) else {
                throw Refusal.serverBug
            }
            urls.append(request.url + verifier.text)
        }
        printer.authorizedURLs(urls)
        return .ok("GENURLAUTH completed")
    }

    /// URLFETCH: a URL that is not valid gives NIL, whatever is wrong with it.
    func fetchURLs(_ urls: [String]) async throws -> CommandOutcome {
        for url in urls {
            switch try await given(by: url) {
            case nil:
                printer.beginURLFetch(url, count: nil)
                printer.endURLFetch()
            case (.octets(let octets), _)?:
                printer.beginURLFetch(url, count: UInt64(octets.readableBytes))
                try await write(octets)
                printer.endURLFetch()
            case (.stored(let section), let reader)?:
                try await write(section, reader)
            }
            try await breathe()
        }
        return .ok("URLFETCH completed")
    }

    private static var mechanism: String { "INTERNAL" }
    private static let notThere = Refusal(.bad, nil, "The URL must name a mailbox of the user's own that is there")

    private static func unknownMechanism(_ condition: StatusCondition) -> Refusal {
        Refusal(condition, condition == .no ? .cannot : nil, "INTERNAL is the only mechanism")
    }

    /// Whether an address in a URL is that of who is logged in: the case of addresses does not matter.
    private func isUser(_ address: String) -> Bool {
        machine.identity?.address.lowercased() == address.lowercased()
    }

    /// What GENURLAUTH asks of a URL; throws what is missing (RFC 4467, 7).
    private func mailbox(toAuthorize url: String) throws -> MailboxName {
        func bad(_ expected: String) -> Refusal { Refusal(.bad, nil, "The URL must have \(expected)") }
        let parsed: IMAPURL
        do throws(IMAPURLError) {
            parsed = try IMAPURL(parsing: url)
        } catch {
            throw bad(error.expected)
        }
        guard case .absolute(let server) = parsed.form else { throw bad("the scheme imap") }
        guard case .message(let message) = parsed.target, let mailbox = message.mailbox, message.uid != nil else {
            throw bad("a message, or a part of one")
        }
        guard let authorization = message.authorization else { throw bad("an access identifier: \";URLAUTH=\"") }
        guard authorization.verifier == nil else { throw bad("no verifier yet") }
        guard let owner = server.user else { throw bad("the name of its owner before \"@\"") }
        // Whether there is another user of that name is not told.
        guard isUser(owner) else { throw bad("the user as its owner who is logged in") }
        // Who was given a mailbox does not give it on: it is no mailbox of the owner whom the URL names.
        guard !NamespacedName(mailbox.name).isForeign else { throw Self.notThere }
        return mailbox.name
    }

    /// What a URL gives this user now, and how it is read; nil when it is nothing.
    private func given(by url: String) async throws -> (GatheredPiece, StoredSectionReader)? {
        guard let parsed = try? IMAPURL(parsing: url), case .absolute(let server) = parsed.form,
            let owner = server.user, case .message(let message) = parsed.target, let mailbox = message.mailbox,
            let uid = message.uid, let authorization = message.authorization, isGiven(authorization),
            authorization.verifier?.mechanism == Self.mechanism, let token = authorization.verifier?.octets,
            let rump = IMAPURL.rump(of: url)
        else { return nil }
        var request = CheckURLRequest()
        request.owner = owner
        request.mailboxName = mailbox.name.value
        request.rump = Bytes(rump.utf8)
        request.token = Bytes(token)
        let reply = try await services.store.checkURL(request, callContext())
        guard reply.valid, mailbox.uidValidity ?? reply.uidValidity == reply.uidValidity else { return nil }
        // With the owner's rights, whatever this user's are.
        let reader = sectionReader()
        let key = MailboxKey(accountID: reply.accountID, mailboxID: reply.mailboxID)
        do {
            guard let stored = try await reader.message(uid, in: key),
                let piece = try await reader.piece(message, of: stored, uid: uid, in: key, url: url)
            else { return nil }
            guard case .stored(let section) = piece, section.range.count <= limits.inlineOctets else {
                return (piece, reader)
            }
            let range = 0..<section.range.count
            return (.octets(range.isEmpty ? ByteBuffer() : try await reader.read(section, range)), reader)
        } catch is Refusal {
            // Gone meanwhile.
            return nil
        }
    }

    /// Whether this user may use it, and may do so now (RFC 5092, 6.1.2). Nobody is anonymous here.
    private func isGiven(_ authorization: IMAPURLAuthorization) -> Bool {
        if let expiry = authorization.expiry, expiry.microsecondsSince1970 < WallClock.microseconds { return false }
        switch authorization.access {
        case .user(let user): return isUser(user)
        case .submit: return services.submitters.contains(machine.identity?.address.lowercased() ?? "")
        case .authenticatedUser, .anonymous: return true
        }
    }

    /// What is large goes as it comes from storage.
    private func write(_ section: StoredSection, _ reader: StoredSectionReader) async throws {
        let mailbox = reader.mailbox(section.mailbox)
        // Whether it is still there must be known before the answer begins.
        let first = section.range.lowerBound..<section.range.lowerBound + 1
        guard try await mailbox.read(uid: section.uid, first) != nil else {
            printer.beginURLFetch(section.url, count: nil)
            return printer.endURLFetch()
        }
        printer.beginURLFetch(section.url, count: UInt64(section.range.count))
        do {
            let isThere = try await mailbox.stream(uid: section.uid, section.range, promised: true) {
                try await write($0)
            }
            guard isThere else { throw Refusal.serverBug }
        } catch let end as SessionEnd {
            throw end
        } catch {
            // The answer is half written: only the end of the connection tells the client so.
            logger.warning("answer broken off", metadata: ["transaction": "\(transaction)", "error": "\(error)"])
            throw SessionEnd.clientGone
        }
        printer.endURLFetch()
    }
}
