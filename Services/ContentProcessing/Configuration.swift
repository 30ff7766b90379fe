import MailMessage
import ServiceRuntime

/// What an operator can say about content processing.
struct ContentConfiguration: ServiceConfiguration {
    static let keys: [ConfigurationKey] = {
        let limits = ProcessingLimits()
        return [
            .octets(
                "limits.message", default: limits.messageOctets, in: 1024...(1 << 40),
                "The largest message; ingress and access refuse larger ones before they come here."),
            .octets(
                "limits.header", default: limits.mime.headerOctets, in: 4096...(16 << 20),
                "The largest header block; a message with a larger one is refused."),
            .integer(
                "limits.header_fields", default: limits.mime.headerFields, in: 16...100_000,
                "Fields in a header block; a message with more is refused."),
            .integer(
                "limits.depth", default: limits.mime.depth, in: 2...1000,
                "How deep multiparts and messages nest; deeper parts are kept without being looked into."),
            .integer(
                "limits.parts", default: limits.mime.parts, in: 1...100_000,
                "Parts of a message that are found; what follows is kept as one part."),
            .integer(
                "limits.hops", default: limits.receivedFields, in: 10...1000,
                "Received fields before a message counts as caught in a loop (RFC 5321, 6.3)."),
            .integer("limits.messages_in_hand", default: limits.messagesInHand, in: 1...100_000, "Messages at once."),
            .octets(
                "limits.octets_in_hand", default: limits.octetsInHand, in: (1 << 20)...(1 << 40),
                "Octets of messages in memory at once."),
        ]
    }()

    /// Everything that a message may make grow.
    let limits: ProcessingLimits

    init(from values: ConfigurationValues) throws(ConfigurationError) {
        var limits = ProcessingLimits()
        limits.messageOctets = try values.octets("limits.message")
        limits.mime.headerOctets = try values.octets("limits.header")
        limits.mime.headerFields = try values.integer("limits.header_fields")
        limits.mime.depth = try values.integer("limits.depth")
        limits.mime.parts = try values.integer("limits.parts")
        limits.receivedFields = try values.integer("limits.hops")
        limits.messagesInHand = try values.integer("limits.messages_in_hand")
        limits.octetsInHand = try values.octets("limits.octets_in_hand")
        self.limits = limits
    }
}
