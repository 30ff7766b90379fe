import Contracts
import IMAPSyntax
import NIOCore

/// STARTTLS, AUTHENTICATE, LOGIN (RFC 9051, 6.2), UNAUTHENTICATE (RFC 8437). The exchange itself is between the client and the service
/// authentication; this one passes it through and never sees more of a password than its octets.
extension Session {
    func startTLS(_ tag: String) async throws -> CommandOutcome {
        flush()
        printer.tagged(tag, StatusResponse(.ok, nil, "Begin TLS now"))
        SessionMetrics.count("STARTTLS", .ok)
        try await startTLS(announcing: printer.take())
        return .answered
    }

    /// LOGIN is SASL PLAIN (RFC 4616) in other words.
    func login(_ arguments: LoginCommand) async throws -> CommandOutcome {
        let zero = UInt8(0)
        guard !arguments.user.readableBytesView.contains(zero), !arguments.password.readableBytesView.contains(zero)
        else { return try loginFailed(.credentials) }
        var response: [UInt8] = [zero]
        response += arguments.user.readableBytesView
        response.append(zero)
        response += arguments.password.readableBytesView
        return try await exchange(mechanism: "PLAIN", initialResponse: response, command: "LOGIN")
    }

    func authenticate(_ arguments: AuthenticateCommand) async throws -> CommandOutcome {
        try await exchange(
            mechanism: arguments.mechanism,
            initialResponse: arguments.initialResponse.map { Array($0.readableBytesView) }, command: "AUTHENTICATE")
    }

    private func exchange(
        mechanism: String, initialResponse: [UInt8]?, command: String
    ) async throws -> CommandOutcome {
        var start = SaslStartRequest()
        start.mechanism = mechanism
        if let initialResponse { start.initialResponse = Bytes(initialResponse) }
        start.service = "imap"
        start.clientAddress = clientAddress
        start.overTls = machine.isSecured
        start.channelBindings = (tls?.channelBindings ?? []).map { binding in
            var channelBinding = ChannelBinding()
            channelBinding.type = binding.type
            channelBinding.octets = Bytes(binding.octets)
            return channelBinding
        }
        var reply = try await services.sasl.start(start, callContext())
        while true {
            switch reply.step {
            case .challenge(let challenge):
                guard let response = try await answer(to: challenge) else {
                    return .answer(StatusResponse(.bad, nil, "Authentication given up"), .none)
                }
                var request = SaslRespondRequest()
                request.exchange = reply.exchange
                request.response = response
                request.clientAddress = clientAddress
                reply = try await services.sasl.respond(request, callContext())
            case .success(let success):
                // The last word of the mechanism travels as a challenge that is answered with nothing (RFC 9051, 6.2.2).
                if success.hasAdditionalData, try await answer(to: success.additionalData) == nil {
                    return .answer(StatusResponse(.bad, nil, "Authentication given up"), .none)
                }
                return await loginSucceeded(success.identity, mechanism: mechanism, command: command)
            case .failure(let failure):
                return try loginFailed(failure)
            case nil:
                throw Refusal.serverBug
            }
        }
    }

    /// Sends a challenge; nil when the client gives up or answers with something else than base64.
    private func answer(to challenge: Bytes) async throws -> Bytes? {
        printer.challenge(ByteBuffer(bytes: challenge))
        parser.awaitAuthenticationLine()
        machine.challengeSent()
        defer { machine.challengeAnswered() }
        switch try await nextEvent() {
        case .authenticationLine(.response(let response)): return Bytes(response.readableBytesView)
        case .authenticationLine(.cancelled), .authenticationLine(.malformed): return nil
        case .invalid(let failure) where failure.mustClose: throw SessionEnd.bye(failure.response)
        case .needMore, .command, .literal, .append, .appendPart, .messageOctets, .messageEnd, .appendNext, .appendEnd,
            .idleEnd, .invalid:
            return nil
        }
    }

    private func loginSucceeded(_ identity: Identity, mechanism: String, command: String) async -> CommandOutcome {
        machine.loginSucceeded(identity)
        parser.limits = limits.parsing
        logger[metadataKey: "account"] = "\(identity.accountID)"
        logger.info(
            "logged in",
            metadata: ["address": "\(identity.address)", "mechanism": "\(mechanism)", "transaction": "\(transaction)"])
        SessionMetrics.logins.increment()
        return .ok("Logged in", .capability(await capabilities()), synchronising: .none)
    }

    /// Back to the state before login (RFC 8437, 3): nothing of the user stays, whatever command asks for it next. TLS
    /// stays, and so does what the client knows of its APPENDs: receipts name their account, and settle as they did.
    /// NO is not among the answers, since the client may have sent its next login behind this.
    func unauthenticate(_ tag: String) async throws -> CommandOutcome {
        unselect()
        endNotifications()
        logger.info("logged out of the account", metadata: ["transaction": "\(transaction)"])
        logger[metadataKey: "account"] = nil
        let wasCompressed = machine.isCompressed
        machine.unauthenticated()
        parser.limits = .unauthenticated
        parser.encoding = .modifiedUTF7
        printer.tagged(tag, StatusResponse(.ok, .capability(await capabilities()), "Logged out of the account"))
        SessionMetrics.count("UNAUTHENTICATE", .ok)
        if wasCompressed { try endCompression() }
        printer.encoding = .modifiedUTF7
        return .answered
    }

    /// RFC 5530, 3: what a program may know; never whether the name or the password was wrong.
    private func loginFailed(_ failure: SaslFailure) throws -> CommandOutcome {
        let status: StatusResponse
        switch failure {
        case .credentials:
            status = StatusResponse(.no, .authenticationFailed, "Name or password is wrong")
        case .malformed:
            status = StatusResponse(.bad, nil, "Not a response of this mechanism")
        case .unknownMechanism:
            status = StatusResponse(.no, .cannot, "No such mechanism")
        case .throttled:
            status = StatusResponse(.no, .unavailable, "Too many failed logins, try again later")
        case .encryptionRequired:
            status = StatusResponse(.no, .privacyRequired, "This mechanism needs an encrypted connection")
        case .authorization:
            status = StatusResponse(.no, .authorizationFailed, "Not allowed to act for that user")
        case .unspecified, .UNRECOGNIZED:
            throw Refusal.serverBug
        }
        SessionMetrics.loginFailures.increment()
        logger.notice("login failed", metadata: ["reason": "\(failure)", "transaction": "\(transaction)"])
        // A client that looks for a mechanism both sides know has not guessed at a password.
        if failure != .unknownMechanism, case .end(let bye) = machine.loginFailed() { farewell = bye }
        return .answer(status, .none)
    }
}
