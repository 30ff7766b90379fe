import Contracts
import IMAPSyntax

/// The rules of one IMAP session as a value: which command may come when (RFC 9051, 3), what the session
/// waits for, and what a client may do wrong before the session ends. It does no input or output.
///
/// Invariant: one command runs at a time; what the client has pipelined behind it is not read before it
/// has been answered, so that each command meets the state that its predecessors left (RFC 9051, 5.5).
struct SessionMachine: Sendable {
    /// RFC 9051, 3.
    enum Phase: Sendable, Equatable {
        case notAuthenticated
        case authenticated(Identity)
        case selected(Identity)
        case logout
    }

    /// What must happen before the session goes on.
    enum Waiting: Sendable, Equatable {
        case tlsHandshake
        case command
        /// A command runs; it waits for another service, or for the client to read.
        case completion(of: String)
        case literal(of: String)
        case challengeAnswer
        case idleEnd
        case nothing
    }

    /// Whether a command may run.
    enum Admission: Equatable {
        case run
        case refuse(StatusResponse)
    }

    /// Whether the session goes on after something that a client did wrong.
    enum Consequence: Equatable {
        case goOn
        case end(StatusResponse)
    }

    private(set) var phase: Phase = .notAuthenticated
    private(set) var waiting: Waiting
    private(set) var isSecured = false
    /// RFC 9051, 6.3.1: the client understands IMAP4rev2.
    private(set) var isRevision2 = false
    private(set) var utf8IsEnabled = false
    /// RFC 7162, 3.1: FETCH responses that the client did not ask for carry UID and MODSEQ.
    private(set) var tellsModificationSequences = false
    /// RFC 7162, 3.2.3: the client enabled QRESYNC, so that VANISHED tells it what EXPUNGE told.
    private(set) var tellsVanished = false
    /// RFC 9586: no message has a number any more, in no command and no response.
    private(set) var isUIDOnly = false
    /// The client has said ENABLE UTF8=ACCEPT (RFC 6855, 3), which is more than what IMAP4rev2 means by UTF-8.
    private(set) var acceptsUTF8 = false
    /// COMPRESS is active.
    private(set) var isCompressed = false
    private(set) var isDraining = false
    private var badCommands = 0
    private var loginFailures = 0
    private let limits: Limits
    /// Whether TLS could be started.
    let offersTLS: Bool
    /// Whether UNAUTHENTICATE is a command here.
    let offersUnauthenticate: Bool

    init(limits: Limits, offersTLS: Bool, implicitTLS: Bool, offersUnauthenticate: Bool = true) {
        self.limits = limits
        self.offersTLS = offersTLS
        self.offersUnauthenticate = offersUnauthenticate
        self.waiting = implicitTLS ? .tlsHandshake : .command
    }

    var identity: Identity? {
        switch phase {
        case .authenticated(let identity), .selected(let identity): identity
        case .notAuthenticated, .logout: nil
        }
    }

    /// Passwords in clear are for encrypted connections only (RFC 9051, 11.1).
    var loginIsDisabled: Bool { !isSecured }

    /// How long the client may be silent.
    var patience: Duration {
        identity == nil ? limits.unauthenticatedTimeout : limits.idleTimeout
    }

    /// APPEND or REPLACE runs: more messages may stand behind it.
    var isAppending: Bool {
        switch waiting {
        case .literal: true
        case .completion(of: "APPEND"): true
        case .tlsHandshake, .command, .completion, .challengeAnswer, .idleEnd, .nothing: false
        }
    }

    // MARK: What the client does

    mutating func commandArrived(_ command: Command) -> Admission {
        if isUIDOnly, command.namesSequenceNumbers { return .refuse(Self.uidRequired) }
        if let refusal = refusal(of: command) { return .refuse(refusal) }
        badCommands = 0
        waiting = .completion(of: command.name)
        return .run
    }

    mutating func appendArrived(_ command: AppendCommand) -> Admission {
        guard identity != nil else { return .refuse(StatusResponse(.bad, nil, "Log in first")) }
        if isUIDOnly, command.replaced?.numbering == .sequenceNumbers { return .refuse(Self.uidRequired) }
        // RFC 8508, 3.5.
        if command.replaced != nil {
            guard case .selected = phase else { return .refuse(StatusResponse(.bad, nil, "Select a mailbox first")) }
        }
        badCommands = 0
        waiting = .literal(of: command.name)
        return .run
    }

    private static let uidRequired = StatusResponse(
        .bad, .uidRequired, "Message numbers are not allowed once UIDONLY is enabled")

    /// A command that is none, or that has no place here.
    mutating func badCommandArrived() -> Consequence {
        badCommands += 1
        guard badCommands >= limits.badCommands else { return .goOn }
        phase = .logout
        return .end(StatusResponse(.bye, .clientBug, "Too many bad commands"))
    }

    mutating func appendComplete() {
        if case .literal(let name) = waiting { waiting = .completion(of: name) }
    }
    mutating func challengeSent() { waiting = .challengeAnswer }
    mutating func challengeAnswered() { waiting = .completion(of: "AUTHENTICATE") }
    mutating func idleBegan() { waiting = .idleEnd }
    mutating func logoutArrived() { phase = .logout }

    // MARK: What became of it

    mutating func commandFinished() { if waiting != .tlsHandshake { waiting = .command } }

    /// Failures before it still count: who has an account of his own, and leaves it again, must not guess at others
    /// without end.
    mutating func loginSucceeded(_ identity: Identity) {
        phase = .authenticated(identity)
    }

    /// Nothing of the user is left (RFC 8437, 3). The machine begins anew, so that what an extension adds to it goes
    /// too; only what belongs to the connection stays.
    mutating func unauthenticated() {
        var anew = SessionMachine(
            limits: limits, offersTLS: offersTLS, implicitTLS: false, offersUnauthenticate: offersUnauthenticate)
        anew.isSecured = isSecured
        anew.isDraining = isDraining
        anew.loginFailures = loginFailures
        self = anew
    }

    mutating func loginFailed() -> Consequence {
        loginFailures += 1
        guard loginFailures >= limits.loginFailures else { return .goOn }
        phase = .logout
        return .end(StatusResponse(.bye, nil, "Too many failed logins"))
    }

    mutating func mailboxSelected() {
        if let identity { phase = .selected(identity) }
    }

    mutating func mailboxUnselected() {
        if let identity { phase = .authenticated(identity) }
    }

    mutating func enabled(revision2: Bool, utf8: Bool) {
        isRevision2 = isRevision2 || revision2
        utf8IsEnabled = utf8IsEnabled || utf8
    }

    /// A command came that shows that the client understands modification sequences (RFC 7162, 3.1); returns whether it
    /// is the first.
    mutating func modificationSequencesWanted() -> Bool {
        defer { tellsModificationSequences = true }
        return !tellsModificationSequences
    }

    mutating func vanishedEnabled() { tellsVanished = true }
    mutating func uidOnlyEnabled() { isUIDOnly = true }
    mutating func enabledUTF8Accept() {
        utf8IsEnabled = true
        acceptsUTF8 = true
    }

    mutating func compressionBegan() { isCompressed = true }

    mutating func handshakeBegan() { waiting = .tlsHandshake }

    /// The connection is encrypted from here on; what was said before counts for nothing (RFC 9051, 6.2.1).
    mutating func secured() {
        isSecured = true
        waiting = .command
    }

    mutating func drainRequested() { isDraining = true }

    mutating func ended() {
        phase = .logout
        waiting = .nothing
    }

    // MARK: RFC 9051, 3

    private func refusal(of command: Command) -> StatusResponse? {
        switch command {
        case .capability, .noop, .logout, .id:
            return nil
        case .startTLS:
            guard identity == nil else { return StatusResponse(.bad, nil, "Already logged in") }
            guard offersTLS, !isSecured else {
                return StatusResponse(.bad, nil, isSecured ? "TLS is active already" : "TLS is not available")
            }
            return nil
        case .authenticate:
            return identity == nil ? nil : StatusResponse(.bad, nil, "Already logged in")
        case .login:
            guard identity == nil else { return StatusResponse(.bad, nil, "Already logged in") }
            guard !loginIsDisabled else {
                return StatusResponse(.no, .privacyRequired, "LOGIN needs an encrypted connection")
            }
            return nil
        case .compress:
            guard identity != nil else { return StatusResponse(.bad, nil, "Log in first") }
            return isCompressed
                ? StatusResponse(.no, .compressionActive, "DEFLATE is active already, by COMPRESS") : nil
        case .unauthenticate:
            guard offersUnauthenticate else { return StatusResponse(.bad, nil, "UNAUTHENTICATE is not offered here") }
            return identity == nil ? StatusResponse(.bad, nil, "Nobody is logged in") : nil
        case .enable, .select, .examine, .create, .delete, .rename, .subscribe, .unsubscribe, .list, .lsub,
            .namespace, .status, .idle, .notify, .getQuota, .getQuotaRoot, .setQuota, .getMetadata,
            .setMetadata, .setACL, .deleteACL, .getACL, .listRights, .myRights, .eSearch, .resetKey,
            .generateURLAuthorization, .urlFetch:
            return identity == nil ? StatusResponse(.bad, nil, "Log in first") : nil
        case .check, .close, .unselect, .expunge, .uidExpunge, .cancelUpdate, .search, .sort, .thread, .uidBatches,
            .fetch, .store, .copy, .move:
            switch phase {
            case .selected: return nil
            case .authenticated: return StatusResponse(.bad, nil, "Select a mailbox first")
            case .notAuthenticated, .logout: return StatusResponse(.bad, nil, "Log in first")
            }
        }
    }
}
