import MailMessage
import Messaging
import Synchronization

/// What a message may make grow here.
struct ProcessingLimits: Sendable {
    /// The largest message.
    var messageOctets = 256 << 20
    /// What is read of its structure.
    var mime = MIMELimits()
    /// Received fields that a message may carry. RFC 5321, 6.3 asks for at least 100 before a server gives up on counting
    /// alone; honest paths have some ten hops, and 50 stop a loop at half the cost, as Postfix's hopcount_limit does.
    var receivedFields = 50
    /// Messages in hand at once.
    var messagesInHand = 2048
    /// Their octets in memory.
    var octetsInHand = 128 << 20
    /// Octets up to which a message is taken whole and committed in one call; a larger one is staged as it passes.
    var inlineOctets = Payload.inlineLimit
    /// Octets of several messages together that are committed in one call; those beyond are staged.
    var togetherOctets = 1 << 20
    /// Messages that are committed together.
    var messagesTogether = 1000
    /// What a staged message holds in memory while it passes: the windows of both streams.
    var stagingOctets = 512 << 10
}

/// Counts what is in hand and refuses at once what does not fit, so that overload is answered and not queued.
final class AdmissionGate: Sendable {
    private struct InHand {
        var messages = 0
        var octets = 0
    }

    private let inHand = Mutex(InHand())
    private let messages: Int
    private let octets: Int

    init(messages: Int, octets: Int) {
        self.messages = messages
        self.octets = octets
    }

    /// Whether there is room; whoever enters leaves with the same number.
    func enter(_ octets: Int) -> Bool {
        inHand.withLock { inHand in
            // One message alone always fits.
            guard inHand.messages < messages, inHand.messages == 0 || inHand.octets + octets <= self.octets else {
                return false
            }
            inHand.messages += 1
            inHand.octets += octets
            return true
        }
    }

    func leave(_ octets: Int) {
        inHand.withLock { inHand in
            inHand.messages -= 1
            inHand.octets -= octets
        }
    }
}
