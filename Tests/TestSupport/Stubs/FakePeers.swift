import Contracts
import Messaging
import NIOCore

/// What the peers of these tests answer, as functions: the machine's tests call them, the stubs on real messaging too.
///
/// `example.test` is ours. It has alice (1), bob (2), postmaster (3), the alias sales (alice and a remote address), full
/// (over quota), disabled, and late-full, whose quota ends only when the message is stored.
package enum FakePeers {
    package static func resolve(_ addresses: [String]) throws -> [ResolveReply.Resolution] {
        if addresses.contains("away@example.test") { throw MessagingError(.unavailable) }
        if addresses.contains("busy@example.test") { throw MessagingError(.overloaded) }
        if addresses.contains("denied@example.test") { throw MessagingError(.denied) }
        return addresses.map(resolve)
    }

    private static func resolve(_ address: String) -> ResolveReply.Resolution {
        var resolution = ResolveReply.Resolution()
        func local(_ id: Int64, _ canonical: String) -> Target {
            var target = Target()
            target.accountID = id
            target.address = canonical
            return target
        }
        switch address.lowercased() {
        case "alice@example.test": resolution.targets = [local(1, "alice@example.test")]
        case "bob@example.test", "grå@example.test": resolution.targets = [local(2, "bob@example.test")]
        case "postmaster@mx.example.test": resolution.targets = [local(3, "postmaster@example.test")]
        case "late-full@example.test": resolution.targets = [local(4, "late-full@example.test")]
        case "rejecting@example.test": resolution.targets = [local(5, "rejecting@example.test")]
        case "sales@example.test":
            var remote = Target()
            remote.remoteAddress = "sales@elsewhere.test"
            remote.address = "sales@elsewhere.test"
            resolution.targets = [local(1, "alice@example.test"), remote]
        case "full@example.test": resolution.outcome = .overQuota
        case "disabled@example.test": resolution.outcome = .disabled
        case let other where other.hasSuffix("@example.test"): resolution.outcome = .unknownAddress
        default: resolution.outcome = .notLocal
        }
        if resolution.outcome == .unspecified { resolution.outcome = .accepted }
        return resolution
    }

    /// The message's own words decide, so that a dialogue shows what happens.
    package static func accept(_ request: AcceptRequest, _ message: ByteBuffer) throws -> [TransactionStatus] {
        let head = String(buffer: message).prefix(200)
        if head.contains("X-Peer: away") { throw MessagingError(.unavailable) }
        if head.contains("X-Peer: busy") { throw MessagingError(.overloaded) }
        if head.contains("X-Peer: late") { throw MessagingError(.deadlineExceeded) }
        return request.recipients.map { recipient in
            var status = TransactionStatus()
            status.code = 250
            status.enhancedStatus = "2.0.0"
            if head.contains("X-Virus: yes") || recipient.forwardPath.hasPrefix("rejecting") {
                status.code = 550
                status.enhancedStatus = "5.7.1"
                status.text = "Message refused"
            } else if recipient.forwardPath.hasPrefix("late-full") {
                status.code = 452
                status.enhancedStatus = "4.2.2"
                status.text = "Mailbox is full"
            }
            return status
        }
    }

    /// PLAIN and LOGIN with alice and "secret"; SCRAM-SHA-256 is played with words instead of proofs.
    package static func start(_ request: SaslStartRequest) throws -> SaslStepReply {
        var reply = SaslStepReply()
        switch request.mechanism {
        case "PLAIN" where request.hasInitialResponse:
            return plain(Array(request.initialResponse))
        case "PLAIN":
            reply.challenge.append(contentsOf: [])
            reply.exchange.append(contentsOf: Array("plain".utf8))
            reply.step = .challenge(reply.challenge)
        case "LOGIN":
            reply.challenge.append(contentsOf: Array("Username:".utf8))
            reply.exchange.append(contentsOf: Array("login-name".utf8))
        case "SCRAM-SHA-256":
            reply.challenge.append(contentsOf: Array("server-first".utf8))
            reply.exchange.append(contentsOf: Array("scram".utf8))
        case "SCRAM-SHA-256-PLUS":
            // Bound to what the connection has.
            guard !request.channelBindings.isEmpty else {
                reply.failure = .malformed
                return reply
            }
            reply.challenge.append(contentsOf: Array("server-first-bound".utf8))
            reply.exchange.append(contentsOf: Array("scram".utf8))
        default:
            reply.failure = .unknownMechanism
        }
        return reply
    }

    package static func respond(_ request: SaslRespondRequest) throws -> SaslStepReply {
        var reply = SaslStepReply()
        let response = String(decoding: request.response, as: UTF8.self)
        switch String(decoding: request.exchange, as: UTF8.self) {
        case "plain":
            return plain(Array(request.response))
        case "login-name":
            reply.challenge.append(contentsOf: Array("Password:".utf8))
            reply.exchange.append(contentsOf: Array("login-password \(response)".utf8))
        case "login-password alice@example.test" where response == "secret":
            return success()
        case "scram" where response == "client-final":
            reply = success()
            reply.success.additionalData.append(contentsOf: Array("v=server-final".utf8))
        case "scram" where response == "malformed":
            reply.failure = .malformed
        default:
            reply.failure = .credentials
        }
        return reply
    }

    private static func plain(_ response: [UInt8]) -> SaslStepReply {
        var reply = SaslStepReply()
        switch String(decoding: response, as: UTF8.self) {
        case "\0alice@example.test\0secret": return success()
        case "\0throttled\0x": reply.failure = .throttled
        case "\0other\0x": reply.failure = .authorization
        case "\0clear\0x": reply.failure = .encryptionRequired
        case let text where !text.contains("\0"): reply.failure = .malformed
        default: reply.failure = .credentials
        }
        return reply
    }

    private static func success() -> SaslStepReply {
        var reply = SaslStepReply()
        reply.success.identity.accountID = 1
        reply.success.identity.address = "alice@example.test"
        return reply
    }
}
