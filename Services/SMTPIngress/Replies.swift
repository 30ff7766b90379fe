import Contracts
import SMTPSyntax

/// The table of what a session says: SMTP code, enhanced code (RFC 3463), text.
enum Replies {
    // MARK: Greeting and general

    static let ok = Reply(250, "2.0.0", "OK")
    static let goodbye = Reply(221, "2.0.0", "Bye")
    static let help = Reply(
        code: 214, enhanced: EnhancedStatus(2, 0, 0),
        lines: [
            "Commands: EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP",
            "VRFY HELP STARTTLS AUTH QUIT; see RFC 5321",
        ])
    // RFC 5321, 3.5.3: neither yes nor no, since an answer would serve harvesters most.
    static let cannotVerify = Reply(252, "2.0.0", "Cannot verify, but will take a message and try")
    static let notImplemented = Reply(502, "5.5.1", "Command not implemented here")
    static let greetFirst = Reply(503, "5.5.1", "Greet first")
    static let lineTooLong = Reply(500, "5.5.2", "Line too long")
    static let wrongProtocolLMTP = Reply(500, "5.5.1", "This is LMTP: use LHLO")
    static let wrongProtocolSMTP = Reply(500, "5.5.1", "This is not LMTP: use EHLO")
    static let outOfStep = Reply(421, "4.7.0", "Commands cannot be told from content; closing connection")

    // MARK: Limits and ends

    static let tooManyErrors = Reply(421, "4.7.0", "Too many errors; closing connection")
    static let tooManyFailures = Reply(
        421, "4.3.0", "Too much fails here at the moment; come again on a new connection")
    static let tooManyIdleCommands = Reply(421, "4.7.0", "Too many commands without mail; closing connection")
    static let tooManyTransactions = Reply(421, "4.7.0", "Too many messages in this session; closing connection")
    static let tooManyAuthenticationFailures = Reply(421, "4.7.0", "Too many failed authentications")
    static let tooManySessions = Reply(421, "4.3.2", "Too many connections; try later")
    static let tooManySessionsFromAddress = Reply(421, "4.7.0", "Too many connections from your address")
    static let idleTooLong = Reply(421, "4.4.2", "Idle for too long; closing connection")
    static let goesOnElsewhere = Reply(421, "4.4.2", "The transaction goes on elsewhere; closing connection")
    static let shuttingDown = Reply(421, "4.3.2", "Service is shutting down; closing connection")

    // MARK: MAIL

    static let senderOK = Reply(250, "2.1.0", "Sender OK")
    static let nestedMail = Reply(503, "5.5.1", "A transaction has begun already")
    static let messageTooLarge = Reply(552, "5.3.4", "Message is larger than the limit")
    static let senderNeedsSMTPUTF8 = Reply(553, "5.6.7", "Address beyond ASCII needs SMTPUTF8")
    static let parameterNotOffered = Reply(555, "5.5.4", "Parameter not offered")
    static let startTLSFirst = Reply(530, "5.7.0", "Issue STARTTLS first")
    static let authenticateFirst = Reply(530, "5.7.0", "Authentication required")
    static let senderNotYours = Reply(550, "5.7.1", "That address is not yours to send from")

    // MARK: RCPT

    static let recipientOK = Reply(250, "2.1.5", "Recipient OK")
    static let mailFirst = Reply(503, "5.5.1", "MAIL first")
    static let tooManyRecipients = Reply(452, "4.5.3", "Too many recipients")
    static let recipientsStand = Reply(
        452, "4.5.3", "A transaction that goes on has its recipients; send to this one in another")
    static let recipientNeedsSMTPUTF8 = Reply(553, "5.6.7", "Address beyond ASCII needs SMTPUTF8")
    static let unknownRecipient = Reply(550, "5.1.1", "No such address here")
    static let relayingDenied = Reply(550, "5.7.1", "Not one of our domains, and you may not relay")
    static let recipientDisabled = Reply(550, "5.2.1", "Mailbox is switched off")
    static let recipientOverQuota = Reply(452, "4.2.2", "Mailbox is full")

    // MARK: DATA and BDAT

    static let sendContent = Reply(code: 354, lines: ["End with CRLF . CRLF"])
    static let noRecipients = Reply(554, "5.5.1", "No valid recipients")
    // RFC 2033, 4.2 wants 503 here.
    static let noRecipientsLMTP = Reply(503, "5.5.1", "No valid recipients")
    static let binaryNeedsBDAT = Reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT")
    static let dataAfterBDAT = Reply(503, "5.5.1", "The content comes by BDAT already")
    static let bareLineFeed = Reply(554, "5.6.0", "Message contains a bare LF; lines end with CRLF")
    static let bareCarriageReturn = Reply(554, "5.6.0", "Message contains a bare CR; lines end with CRLF")
    static let wholeAlready = Reply(451, "4.5.0", "The content was whole already; send the message anew")
    static let spoolFull = Reply(452, "4.3.1", "Insufficient storage; try later")

    static func bareNewline(_ violation: NewlineViolation) -> Reply {
        switch violation {
        case .bareCarriageReturn: bareCarriageReturn
        case .bareLineFeed: bareLineFeed
        }
    }

    static func chunkReceived(_ octets: Int) -> Reply { Reply(250, "2.0.0", "\(octets) octets received") }

    // MARK: STARTTLS and AUTH

    static let readyForTLS = Reply(220, "2.0.0", "Ready to start TLS")
    static let tlsNotOffered = Reply(502, "5.5.1", "STARTTLS is not offered")
    static let tlsAlready = Reply(503, "5.5.1", "TLS is in force already")
    static let encryptionRequired = Reply(538, "5.7.11", "Encryption required: STARTTLS first")
    static let authenticatedAlready = Reply(503, "5.5.1", "Authenticated already")
    static let notDuringTransaction = Reply(503, "5.5.1", "Not during a mail transaction")
    static let unknownMechanism = Reply(504, "5.5.4", "Mechanism not offered")
    static let badBase64 = Reply(501, "5.5.2", "Not valid base64")
    static let authenticationCancelled = Reply(501, "5.7.0", "Authentication cancelled")
    static let authenticationLineTooLong = Reply(500, "5.5.6", "Authentication exchange line is too long")
    static let authenticated = Reply(235, "2.7.0", "Authentication succeeded")
    static let authenticationFailed = Reply(535, "5.7.8", "Authentication failed")
    static let authenticationMalformed = Reply(501, "5.5.2", "Not what the mechanism expects")
    static let authenticationUnavailable = Reply(454, "4.7.0", "Authentication is not available; try later")
    static let authenticationThrottled = Reply(454, "4.7.0", "Too many failures; try later")

    static func authenticationFailure(_ failure: SaslFailure) -> Reply {
        switch failure {
        case .credentials, .authorization: authenticationFailed
        case .malformed: authenticationMalformed
        case .unknownMechanism: unknownMechanism
        case .throttled: authenticationThrottled
        case .encryptionRequired: encryptionRequired
        case .unspecified, .UNRECOGNIZED: authenticationUnavailable
        }
    }

    // MARK: Peers

    static func peerFailure(_ failure: PeerFailure) -> Reply {
        switch failure {
        case .unavailable: peerUnavailable
        case .overloaded: peerOverloaded
        case .misconfigured: peerMisconfigured
        }
    }

    static let peerUnavailable = Reply(451, "4.3.0", "Temporarily not able to do that; try later")
    static let peerOverloaded = Reply(451, "4.3.2", "Overloaded; try later")
    static let peerMisconfigured = Reply(451, "4.3.5", "System is not configured right; try later")
}
