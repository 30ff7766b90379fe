import Contracts
import MailMessage
import Messaging

/// The fields that Martlet puts in front of a message, and what they change in its envelope.
///
/// A prefix is, in this order: Return-Path when anyone here receives the message (RFC 5321, 4.4: final delivery adds it
/// at the beginning), Received, and for submissions that lack them Date and Message-ID (RFC 6409, 8.2 and 8.3).
///
/// One content serves all dispositions of a transaction, also when some are stored and others leave. What leaves must
/// not carry Return-Path (RFC 5321, 4.4). A second content would cost a second copy and a second transaction, so the
/// order above is a promise instead: **Return-Path is only ever the first line of a prefix, never folded, and what is
/// sent from the queue begins behind it.** A message that nobody here receives has none.
///
/// Nothing else is changed for a submission. Bcc stays when a user agent has left it in: it is the user agent's to remove
/// (RFC 5322, 3.6.3), and a server that cuts fields breaks signatures, digests, and the rule that octets come back as
/// they went in.
struct MessagePrefix: Sendable {
    let octets: [UInt8]

    /// The prefix of a message, whose envelope is completed by the fields that are added.
    init(
        for request: AcceptRequest, _ message: inout ParsedMessage, transaction: TransactionID, isFinalDelivery: Bool
    ) {
        let date = MailDate(microseconds: request.receivedAt)
        let client = request.client
        var octets = isFinalDelivery ? TraceFields.returnPath(request.reversePath) : []
        octets +=
            ReceivedField(
                greeting: client.greeting, clientAddress: client.address, serverName: request.serverName,
                withProtocol: client.withProtocol, tlsVersion: client.tlsVersion, tlsCipher: client.tlsCipher,
                identifier: transaction.description,
                recipient: request.recipients.count == 1 ? request.recipients[0].forwardPath : nil, date: date
            ).octets
        switch request.door {
        case .submission:
            if message.envelope.date == nil {
                octets += TraceFields.field("Date", date.description)
                message.envelope.date = Array(date.description.utf8)
            }
            if message.envelope.messageID == nil {
                let identifier = "<\(transaction)@\(Self.domain(request.serverName))>"
                octets += TraceFields.field("Message-ID", identifier)
                message.envelope.messageID = Array(identifier.utf8)
            }
        case .relay, .lmtp, .unspecified, .UNRECOGNIZED:
            break
        }
        self.octets = octets
    }

    /// The server's name as the right side of an identifier (RFC 5322, 3.6.4: dot-atom-text).
    private static func domain(_ name: String) -> String {
        let isDomain =
            !name.isEmpty
            && name.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), 0x80...:
                    true
                case _: false
                }
            }
        return isDomain ? name : "localhost"
    }
}
