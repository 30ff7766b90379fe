/// What all sessions of one listener have in common.
struct SessionSettings: Sendable {
    /// The name that we give ourselves.
    var serverName: String
    /// What the listener is for.
    var kind: ListenerKind
    /// There is a certificate, so STARTTLS can be offered.
    var offersTLS: Bool
    /// How far things may grow.
    var limits: Limits
    /// Where `<Postmaster>` leads (RFC 5321, 4.5.1).
    var postmaster: String

    /// Clients may go on with what was cut off (RFC 1845).
    var offersCheckpoints: Bool { limits.checkpoints.keep > .zero }

    init(
        serverName: String, kind: ListenerKind, offersTLS: Bool, limits: Limits = Limits(), postmaster: String? = nil
    ) {
        self.serverName = serverName
        self.kind = kind
        self.offersTLS = offersTLS
        self.limits = limits
        self.postmaster = postmaster ?? "postmaster@\(serverName)"
    }
}
