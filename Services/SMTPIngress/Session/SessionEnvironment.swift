import Logging
import NIOCore
import Settlement
import TransportSecurity

/// What the sessions of one listener use of the process around them.
struct SessionEnvironment: Sendable {
    var settings: SessionSettings
    var timeouts: Timeouts
    var peers: IngressPeers
    var mechanisms: MechanismCatalogue
    var resolutions: RecentResolutions
    var settlements: SettlementSender
    var tls: TLSContext?
    var spool: SpoolArea
    var registry: SessionRegistry
    var turns: AcceptanceTurns
    var metrics: IngressMetrics
    var logger: Logger
}
