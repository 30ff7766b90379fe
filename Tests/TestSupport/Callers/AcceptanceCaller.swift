import Contracts
import Cryptography
import Foundation
import Messaging
import NIOCore

/// What tests ask of content processing through its contract, whether it runs in the test or as a process.
package protocol AcceptanceCaller: Sendable {
    var acceptance: any Acceptance { get }
}

extension AcceptanceCaller {
    /// Hands a message over as ingress does.
    package func accept(
        _ message: [UInt8], to recipients: [AcceptRequest.Recipient], by door: Door = .relay,
        transaction: TransactionID = .next(), timeout: Duration = .seconds(60),
        _ change: (inout AcceptRequest) -> Void = { _ in }
    ) async throws -> [TransactionStatus] {
        var request = AcceptRequest.with {
            $0.door = door
            $0.client = .with {
                $0.address = "192.0.2.1"
                $0.port = 40_000
                $0.greeting = "client.example"
                $0.withProtocol = "ESMTP"
                if door == .submission {
                    $0.identity = .with {
                        $0.accountID = 1
                        $0.address = "alice@example.test"
                    }
                }
            }
            $0.reversePath = "sender@client.example"
            $0.recipients = recipients
            $0.serverName = "mx.example.test"
            $0.receivedAt = 1_795_465_556_000_000
            $0.messageOctets = Int64(message.count)
            $0.messageDigest = Data(SHA256.hash(message))
        }
        change(&request)
        let context = CallContext(transaction: transaction, timeout: timeout, idempotencyKey: transaction)
        return try await acceptance.accept(request, message: Payload(ByteBuffer(bytes: message)), context).statuses
    }

    package func append(
        _ message: [UInt8], _ change: (inout AppendRequest) -> Void = { _ in }
    ) async throws -> AppendReply {
        var request = AppendRequest.with {
            $0.accountID = 1
            $0.mailboxName = "Drafts"
            $0.messageOctets = Int64(message.count)
        }
        change(&request)
        let transaction = TransactionID.next()
        return try await acceptance.append(
            request, message: Payload(ByteBuffer(bytes: message)),
            CallContext(transaction: transaction, timeout: .seconds(60), idempotencyKey: transaction))
    }
}

/// A recipient that leads to accounts of ours.
package func local(_ address: String, _ accounts: Int64...) -> AcceptRequest.Recipient {
    .with {
        $0.forwardPath = address
        $0.targets = accounts.map { account in
            .with {
                $0.accountID = account
                $0.address = "account\(account)@example.test"
            }
        }
    }
}

/// A recipient that leads elsewhere.
package func remote(_ address: String) -> AcceptRequest.Recipient {
    .with {
        $0.forwardPath = address
        $0.targets = [
            .with {
                $0.remoteAddress = address
                $0.address = address
            }
        ]
    }
}

/// A message of so many octets, with Date and Message-ID.
package func sample(octets: Int = 0, header: String = "") -> [UInt8] {
    let head = "Date: Mon, 23 Nov 2026 20:25:56 +0000\r\nMessage-ID: <1@client.example>\r\nSubject: x\r\n\(header)\r\n"
    var message = Array(head.utf8) + Array("hello\r\n".utf8)
    while message.count < octets {
        message += Array(String(repeating: "a", count: min(76, octets - message.count)).utf8)
        if message.count + 2 <= octets { message += [13, 10] }
    }
    return message
}

extension TransactionStatus {
    /// For example `250 2.0.0`.
    package var codes: String { "\(code) \(enhancedStatus)" }
}
