import Contracts
import Messaging

/// What is known of a client besides what it says.
struct ClientEndpoint: Sendable, Hashable {
    /// Textual network address; empty for a Unix socket.
    var address: String
    var port: UInt16
}

extension SessionMachine {
    /// The request that hands a transaction over.
    func acceptRequest(
        _ transaction: Transaction, client: ClientEndpoint, octets: Int, digest: [UInt8], receivedAt: Int64
    ) -> AcceptRequest {
        var request = AcceptRequest()
        request.door = settings.kind.door
        request.client.address = client.address
        request.client.port = UInt32(client.port)
        request.client.greeting = greeting?.name ?? ""
        request.client.withProtocol = protocolName(isInternational: transaction.parameters.smtputf8)
        if let tls {
            request.client.tlsVersion = tls.version
            request.client.tlsCipher = tls.cipher
        }
        if let identity { request.client.identity = identity }
        request.reversePath = transaction.reversePath.text
        request.recipients = transaction.recipients.map { recipient in
            var entry = AcceptRequest.Recipient()
            entry.forwardPath = recipient.forwardPath
            entry.targets = recipient.targets
            return entry
        }
        request.serverName = settings.serverName
        request.receivedAt = receivedAt
        request.smtputf8 = transaction.parameters.smtputf8
        request.binaryMime = transaction.parameters.body == .binaryMIME
        request.messageOctets = Int64(octets)
        request.messageDigest.append(contentsOf: digest)
        if let transid = transaction.parameters.transid { request.transid = transid.description }
        return request
    }

    /// The word behind "with" in Received (RFC 3848; RFC 6531, 4.3).
    func protocolName(isInternational: Bool) -> String {
        if case .helo? = greeting, tls == nil, identity == nil { return "SMTP" }
        let base = settings.kind.isLMTP ? "LMTP" : isInternational ? "SMTP" : "ESMTP"
        return (isInternational ? "UTF8" : "") + base + (tls == nil ? "" : "S") + (identity == nil ? "" : "A")
    }
}
