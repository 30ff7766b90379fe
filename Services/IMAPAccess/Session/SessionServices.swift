import Contracts
import Logging
import Messaging
import Settlement
import TransportSecurity

/// What all sessions of the process share: the peers, the limits, the certificate.
struct SessionServices: Sendable {
    let store: any MailStore
    let sasl: any Sasl
    let acceptance: any Acceptance
    let settlements: SettlementSender
    let mailboxes: MailboxRegistry
    let messages: MessageCache
    let searchMemory: SearchMemory
    let previews: PreviewCache
    let mechanisms: MechanismCatalogue
    let limits: Limits
    let tls: TLSContext?
    let logger: Logger
    let version: String
    /// RFC 8437, 8 wants it to be possible that there is no such command.
    let offersUnauthenticate: Bool
    /// The accounts of message submission servers, in lower case (RFC 4467, 3: `submit+`).
    let submitters: Set<String>

    init(
        store: any MailStore, sasl: any Sasl, acceptance: any Acceptance, events: EventSubscriber?, limits: Limits,
        tls: TLSContext?, logger: Logger, version: String, settlements: SettlementSender,
        offersUnauthenticate: Bool = true, submitters: Set<String> = []
    ) {
        self.store = store
        self.sasl = sasl
        self.acceptance = acceptance
        self.settlements = settlements
        self.offersUnauthenticate = offersUnauthenticate
        self.submitters = submitters
        self.limits = limits
        self.tls = tls
        self.logger = logger
        self.version = version
        self.mailboxes = MailboxRegistry(
            store: store, timeout: limits.peerTimeout, events: events, restingLimit: limits.restingMessages)
        self.messages = MessageCache(octets: limits.cachedOctets)
        self.searchMemory = SearchMemory(octets: limits.cachedOctets / 2)
        self.previews = PreviewCache(limit: limits.previews)
        self.mechanisms = MechanismCatalogue(sasl: sasl)
    }
}
