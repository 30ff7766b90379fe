import Logging
import NIOCore
import ProxyProtocol
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
    var checkpoints: Checkpoints
    var registry: SessionRegistry
    var proxies: ProxyGate
    var turns: AcceptanceTurns
    var metrics: IngressMetrics
    var logger: Logger
}
