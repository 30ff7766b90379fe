import Contracts
import Messaging
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ContractAccessTests {
    /// Contract and method numbers, as they stand on the wire.
    static let numbers: [String: (contract: UInt8, method: UInt8)] = [
        "Directory.resolve": (1, 1), "Directory.addAccount": (1, 2), "Acceptance.accept": (2, 1),
        "Acceptance.append": (2, 2), "Delivery.commit": (3, 1), "Delivery.stage": (3, 2), "Sasl.start": (4, 2),
        "Accounts.setPassword": (5, 1), "MailStore.listMailboxes": (6, 1), "MailStore.createMailbox": (6, 2),
        "MailStore.fetch": (6, 7), "MailStore.findMailbox": (6, 20), "MailStore.setRights": (6, 22),
        "Health.check": (7, 1),
    ]

    static let permitted: [String: Set<String>] = [
        "smtp-ingress": ["Directory.resolve", "Acceptance.accept", "Sasl.start", "Health.check"],
        "imap-access": [
            "MailStore.listMailboxes", "MailStore.createMailbox", "MailStore.fetch", "MailStore.findMailbox",
            "MailStore.setRights", "Acceptance.append", "Sasl.start", "Health.check",
        ],
        "content-processing": ["Delivery.commit", "Delivery.stage", "Directory.resolve", "Health.check"],
        "martlet": [
            "Directory.resolve", "Directory.addAccount", "Accounts.setPassword", "MailStore.listMailboxes",
            "MailStore.createMailbox", "MailStore.setRights", "Health.check",
        ],
        "stranger": [],
    ]

    @Test(arguments: permitted.keys.sorted())
    func aServiceMayCallWhatTheTableSaysAndNothingElse(service: String) throws {
        let caller = PeerIdentity(service: service)
        for (name, number) in Self.numbers {
            let isPermitted = ContractAccess().permits(caller, contract: number.contract, method: number.method)
            #expect(isPermitted == Self.permitted[service]?.contains(name), "\(service) \(name)")
        }
    }

    @Test func anIngressThatWasBrokenIntoCannotReadAMailbox() async throws {
        let pair = try MessagingPair.ipc(
            [MailStoreServer(StubMailStore()), DirectoryServer(StubDirectory())], caller: "smtp-ingress")
        _ = try await DirectoryClient(pair.client).resolve(ResolveRequest(), CallContext())
        do {
            _ = try await MailStoreClient(pair.client).fetch(FetchRequest(), CallContext())
            Issue.record("it could")
        } catch let error as MessagingError {
            #expect(error.code == .denied)
        }
        await pair.close()
    }
}
