import Contracts
import Foundation
import Messaging
import Synchronization

/// Authentication in memory: the accounts of `MemoryStore`, PLAIN and a mechanism of two steps with a last word of the server.
package final class MemorySasl: Sasl, Sendable {
    package let fault = Mutex<MessagingError?>(nil)
    package let bindings = Mutex<[String]>([])
    /// From which addresses exchanges were begun.
    package let clientAddresses = Mutex<[String]>([])
    package static let address = "alice@example.test"
    package static let password = "correct horse"
    /// Another user, with the same password and no mailbox.
    package static let otherAddress = "bob@example.test"

    package init() {}

    package func mechanisms(_ request: SaslMechanismsRequest, _ context: CallContext) async throws
        -> SaslMechanismsReply
    {
        if let fault = fault.withLock({ $0 }) { throw fault }
        var reply = SaslMechanismsReply()
        reply.mechanisms = request.overTls ? ["TEST-STEPS", "PLAIN"] : ["TEST-STEPS"]
        return reply
    }

    package func start(_ request: SaslStartRequest, _ context: CallContext) async throws -> SaslStepReply {
        if let fault = fault.withLock({ $0 }) { throw fault }
        bindings.withLock { $0 = request.channelBindings.map(\.type) }
        clientAddresses.withLock { $0.append(request.clientAddress) }
        var reply = SaslStepReply()
        switch request.mechanism {
        case "PLAIN" where !request.overTls:
            reply.failure = .encryptionRequired
        case "PLAIN" where request.hasInitialResponse:
            return plain(request.initialResponse)
        case "PLAIN":
            reply.challenge = Data()
            reply.exchange = Data("plain".utf8)
        case "TEST-STEPS":
            reply.challenge = Data("say friend".utf8)
            reply.exchange = Data("steps".utf8)
        default:
            reply.failure = .unknownMechanism
        }
        return reply
    }

    package func respond(_ request: SaslRespondRequest, _ context: CallContext) async throws -> SaslStepReply {
        if let fault = fault.withLock({ $0 }) { throw fault }
        if request.exchange == Data("plain".utf8) { return plain(request.response) }
        var reply = SaslStepReply()
        if request.response == Data("friend".utf8) {
            reply.success = success
            reply.success.additionalData = Data("and enter".utf8)
        } else {
            reply.failure = .credentials
        }
        return reply
    }

    private func plain(_ response: Data) -> SaslStepReply {
        var reply = SaslStepReply()
        reply.failure = .credentials
        // All have the same password; nobody is the account that is nobody's.
        for (accountID, account) in MemoryStore.accounts where !account.isShared {
            guard response == Data("\0\(account.address)\0\(Self.password)".utf8) else { continue }
            reply.success = success
            reply.success.identity.accountID = accountID
            reply.success.identity.address = account.address
        }
        return reply
    }

    private var success: SaslStepReply.Success {
        var success = SaslStepReply.Success()
        success.identity.accountID = MemoryStore.accountID
        success.identity.address = Self.address
        return success
    }
}
