import Contracts
import NIOCore
import SMTPSyntax

/// One SMTP or LMTP session as a value: events go in, actions come out, replies gather in `output`.
///
/// `next` is called with whatever was read until it answers `read`, `wait` or `close`. Between an action that asks
/// somebody and the answer it says `wait`, and commands that were pipelined meanwhile stay in the buffer, so replies
/// keep the order of the commands (RFC 2920, 3.2).
///
/// Invariants: `transaction` is set from an accepted MAIL to the reply to its content; `asked` holds the recipients of RCPT
/// commands that nobody has answered yet; while there are any no other command is performed.
struct SessionMachine: Sendable {
    /// What the session waits for.
    enum Phase: Sendable {
        /// For the connection, and for TLS where it comes first.
        case unconnected
        /// For a command line.
        case commands
        /// For the directory's answer about recipients.
        case resolving
        /// For the directory's answer about the reverse-path.
        case checkingSender(ReversePath, MailParameters)
        /// To hear whether the transaction that is to begin goes on with an earlier one.
        case findingCheckpoint(Transaction, isAsked: Bool)
        /// For authentication's answer.
        case authenticating
        /// For the client's answer to a challenge.
        case challenged(exchange: [UInt8])
        /// For the client's empty answer to the mechanism's last word (RFC 4954, 4).
        case confirming(Identity)
        /// For the handshake after STARTTLS.
        case handshaking
        /// For the lines of a message.
        case data(DataDecoder)
        /// For the octets of a chunk.
        case chunk(Chunk)
        /// For content processing.
        case accepting
        /// The last reply is in `output`.
        case closing
    }

    /// What the client called itself.
    enum Greeting: Sendable, Hashable {
        case helo(String)
        case ehlo(String)
        case lhlo(String)

        var name: String {
            switch self {
            case .helo(let name), .ehlo(let name), .lhlo(let name): name
            }
        }

        /// Extensions may be used.
        var isExtended: Bool {
            switch self {
            case .helo: false
            case .ehlo, .lhlo: true
            }
        }
    }

    let settings: SessionSettings
    /// What authentication offers, in upper case.
    var mechanisms: [String]

    var phase = Phase.unconnected
    var greeting: Greeting?
    var tls: TLSFacts?
    var identity: Identity?
    var transaction: Transaction?
    /// Recipients whose RCPT waits for the directory.
    var asked: [ForwardPath] = []
    /// A line that was read but must wait for those recipients.
    var deferred: Line?
    var framer = LineFramer()
    var isDraining = false
    /// Content of a transaction that is over must be forgotten.
    var hasStaleContent = false
    /// A transaction that was cut off within its content, and that its client may come again for.
    private var interrupted: Transaction?
    /// One that an earlier connection handed over, and that the client does not want to hear of any more.
    private var abandoned: HandedOverTransaction?
    /// The last reply is one that a client must read before it goes on.
    var hasPrompted = false
    /// The session is to end with the reply to the content in hand.
    private(set) var endsAfterReply = false

    var errorCount = 0
    var idleCommandCount = 0
    var transactionCount = 0
    var authenticationFailureCount = 0

    /// Replies to be sent, in order.
    private(set) var output = ByteBuffer()

    init(settings: SessionSettings, mechanisms: [String] = []) {
        self.settings = settings
        self.mechanisms = mechanisms
    }

    /// A line that was read.
    enum Line: Sendable {
        case command(Command)
        case invalid(CommandError)
        case tooLong
    }

    // MARK: Output

    mutating func say(_ reply: Reply) {
        if output.capacity == 0 { output.reserveCapacity(512) }
        reply.write(to: &output)
    }

    /// A reply that holds something against the client; too many of them end the session.
    mutating func refuse(_ reply: Reply) {
        say(reply)
        errorCount += 1
        if errorCount >= settings.limits.errors { sayLast(Replies.tooManyErrors) }
    }

    /// The last word.
    mutating func sayLast(_ reply: Reply) {
        say(reply)
        endTransaction()
        phase = .closing
    }

    /// What is to be sent; the machine forgets it.
    mutating func takeOutput() -> ByteBuffer? {
        guard output.readableBytes > 0 else { return nil }
        defer { output = ByteBuffer() }
        return output
    }

    /// Whether the last reply is a prompt; the machine forgets it.
    mutating func takePrompt() -> Bool {
        defer { hasPrompted = false }
        return hasPrompted
    }

    /// TLS is to begin and has not yet.
    var isBeforeHandshake: Bool {
        switch phase {
        case .unconnected, .handshaking: true
        case .commands, .resolving, .checkingSender, .findingCheckpoint, .authenticating, .challenged, .confirming,
            .data, .chunk, .accepting, .closing:
            false
        }
    }

    // MARK: Events

    /// The connection is there, and with it TLS where that comes first.
    mutating func connected(tls: TLSFacts? = nil) {
        self.tls = tls
        phase = .commands
        say(Reply(code: 220, lines: ["\(settings.serverName) \(settings.kind.isLMTP ? "LMTP" : "ESMTP") Martlet"]))
    }

    /// The client has been silent for too long (RFC 5321, 4.5.3.2).
    mutating func idleTooLong() {
        if case .closing = phase { return }
        interrupt()
        sayLast(Replies.idleTooLong)
    }

    /// The service is to end: what is in hand is finished, what is idle ends now.
    mutating func drain() {
        isDraining = true
    }

    /// Too much went wrong on this connection: the reply to the content in hand is the last but one.
    mutating func endAfterReply() {
        endsAfterReply = true
    }

    /// The client is lost. What it has sent of a transaction that it named may be kept for its next connection: by
    /// `takeInterrupted`, together with the content, which therefore is not forgotten.
    mutating func interrupt() {
        guard let current = transaction, current.parameters.transid != nil, current.refusal == nil,
            current.handedOver == nil
        else { return }
        switch phase {
        case .data: break
        case .commands where current.isResumed || current.usesChunks: break
        case .chunk(let chunk) where chunk.refusal == nil: break
        case .unconnected, .commands, .resolving, .checkingSender, .findingCheckpoint, .authenticating, .challenged,
            .confirming, .handshaking, .chunk, .accepting, .closing:
            return
        }
        interrupted = current
        transaction = nil
    }

    /// The client goes on over another connection with the transaction that is in hand here.
    mutating func demanded() {
        interrupt()
        if interrupted != nil { sayLast(Replies.goesOnElsewhere) }
    }

    /// The transaction that was interrupted; the machine forgets it.
    mutating func takeInterrupted() -> Transaction? { interrupted.take() }

    /// The connection is gone: nobody hears us any more.
    mutating func disconnected() {
        interrupt()
        endTransaction()
        phase = .closing
        output = ByteBuffer()
    }

    // MARK: The loop

    /// What to do next, given what was read.
    mutating func next(_ input: inout ByteBuffer) -> SessionAction {
        while true {
            if hasStaleContent {
                hasStaleContent = false
                return .discard
            }
            if let abandoned = abandoned.take() { return .forgetCheckpoint(abandoned) }
            switch phase {
            case .unconnected, .resolving, .checkingSender, .authenticating, .handshaking, .accepting:
                return .wait
            case .findingCheckpoint(let transaction, let isAsked):
                if isAsked { return .wait }
                phase = .findingCheckpoint(transaction, isAsked: true)
                return .findCheckpoint(transaction)
            case .closing:
                return .close
            case .commands:
                if let action = nextCommand(&input) { return action }
            case .challenged, .confirming:
                if let action = nextAuthenticationLine(&input) { return action }
            case .data(let decoder):
                if let action = nextData(decoder, &input) { return action }
            case .chunk(let chunk):
                if let action = nextOfChunk(chunk, &input) { return action }
            }
        }
    }

    private mutating func nextCommand(_ input: inout ByteBuffer) -> SessionAction? {
        let line: Line
        if let waiting = deferred {
            deferred = nil
            line = waiting
        } else {
            if isDraining, transaction == nil {
                sayLast(Replies.shuttingDown)
                return nil
            }
            switch framer.next(&input, limit: settings.limits.commandLineOctets) {
            case .needMore:
                return asked.isEmpty ? .read : askDirectory()
            case .tooLong:
                line = .tooLong
            case .line(let octets):
                do throws(CommandError) {
                    line = .command(try Command.parse(octets))
                } catch {
                    line = .invalid(error)
                }
            }
        }
        if case .command(.rcpt(let path, let parameters)) = line, canAsk(path, parameters) {
            asked.append(path)
            return nil
        }
        guard asked.isEmpty else {
            deferred = line
            return askDirectory()
        }
        switch line {
        case .command(let command):
            return perform(command)
        case .invalid(let error) where error.problem == .foreignProtocol:
            sayLast(error.reply)
        case .invalid(let error):
            refuse(error.reply)
        case .tooLong:
            refuse(Replies.lineTooLong)
        }
        return nil
    }

    private mutating func perform(_ command: Command) -> SessionAction? {
        switch command {
        case .helo(let name): greeted(.helo(name))
        case .ehlo(let name): greeted(.ehlo(name))
        case .lhlo(let name): greeted(.lhlo(name))
        case .mail(let path, let parameters): return performMail(path, parameters)
        case .rcpt(let path, let parameters): refuseRcpt(path, parameters)
        case .data: performData()
        case .bdat(let octets, let last): performBdat(octets, last)
        case .rset: performRset()
        case .noop: performIdle(Replies.ok)
        case .vrfy: performIdle(Replies.cannotVerify)
        case .expn: refuse(Replies.notImplemented)
        case .help: performIdle(Replies.help)
        case .quit: performQuit()
        case .starttls: return performStartTLS()
        case .auth(let mechanism, let response): return performAuth(mechanism, response)
        }
        return nil
    }

    /// The client says in so many words that it is done with the transaction (RFC 1845, 3): it will not come again for
    /// the reply.
    mutating func abandonTransaction() {
        abandoned = transaction?.handedOver
        endTransaction()
    }

    /// The transaction is over or given up; its content, if any came, is forgotten.
    mutating func endTransaction() {
        if let transaction, transaction.contentOctets > 0 { hasStaleContent = true }
        transaction = nil
        asked = []
        deferred = nil
    }
}
