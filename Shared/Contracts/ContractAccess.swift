import Messaging

/// Which service may call what: the one table that every server enforces, in ZAP and again per method.
public struct ContractAccess: AccessPolicy {
    /// The table.
    public init() {}

    private struct Grant {
        let contract: UInt8
        /// Nil for every method.
        let methods: Set<UInt8>?

        init(_ contract: ContractDescription) {
            self.contract = contract.number
            methods = nil
        }

        init(_ methods: any ContractMethod...) {
            contract = methods.first?.contract.number ?? 0
            self.methods = Set(methods.map(\.description.number))
        }
    }

    private static let table: [String: [Grant]] = [
        "smtp-ingress": [
            Grant(DirectoryMethods.resolve), Grant(AcceptanceMethods.accept), Grant(SaslMethods.contract),
            Grant(DeliveryMethods.settle),
        ],
        "imap-access": [
            Grant(MailStoreMethods.contract), Grant(AcceptanceMethods.append, AcceptanceMethods.appendEach),
            Grant(SaslMethods.contract), Grant(DeliveryMethods.settle),
        ],
        "content-processing": [
            Grant(DeliveryMethods.commit, DeliveryMethods.commitEach, DeliveryMethods.stage),
            Grant(DirectoryMethods.resolve),
        ],
        "martlet": [
            Grant(DirectoryMethods.contract), Grant(AccountsMethods.contract),
            Grant(
                MailStoreMethods.listMailboxes, MailStoreMethods.createMailbox, MailStoreMethods.getRights,
                MailStoreMethods.setRights),
            Grant(LedgerMethods.contract),
        ],
        "authentication": [],
        "storage": [],
    ]

    /// The services that the table knows.
    public static var services: [String] { table.keys.sorted() }

    /// Whether `caller` may call this method.
    public func permits(_ caller: PeerIdentity, contract: UInt8, method: UInt8) -> Bool {
        guard let grants = Self.table[caller.service] else { return false }
        if contract == HealthMethods.contract.number { return true }
        return grants.contains { $0.contract == contract && ($0.methods?.contains(method) ?? true) }
    }
}
