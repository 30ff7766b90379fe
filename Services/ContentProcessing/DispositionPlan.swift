import Contracts
import Messaging

/// What becomes of a message: each recipient's targets as dispositions, one copy a target however many recipients lead
/// to it.
///
/// By LMTP each recipient has a reply of its own, and a client that read some of them comes again with the others alone:
/// there each recipient has copies of its own too.
struct DispositionPlan: Sendable {
    /// Where one copy goes, and for LMTP for whom.
    private struct Place: Hashable {
        enum Destination: Hashable {
            case account(Int64)
            case remote(String)
        }

        let destination: Destination
        let recipient: String?
    }

    /// One disposition, and where its copy is sent when it cannot be done at once.
    struct Copy: Sendable {
        var disposition: Disposition
        /// The address that was resolved to it.
        var address: String

        fileprivate mutating func add(_ fingerprint: Fingerprint) {
            let octets = fingerprint.octets
            guard !disposition.fingerprints.contains(where: { $0.elementsEqual(octets) }) else { return }
            disposition.fingerprints.append(.init(octets))
        }

        /// The queue's entry for this copy, which its account cannot take now: the same delivery, done otherwise.
        func postponed(of request: AcceptRequest) -> Disposition {
            var entry = DispositionPlan.enqueue(address, of: request)
            entry.enqueue.accountID = disposition.store.accountID
            entry.fingerprints = disposition.fingerprints
            return entry
        }
    }

    private(set) var copies: [Copy] = []
    /// For each recipient the positions of its copies.
    private(set) var copiesOfRecipient: [[Int]] = []

    /// Throws when the request breaks the contract: a recipient that leads nowhere, or a way out that its door has not.
    init(_ request: AcceptRequest) throws(MessagingError) {
        guard !request.recipients.isEmpty else { throw MessagingError(.malformed, "a transaction without recipients") }
        var places: [Place: Int] = [:]
        for recipient in request.recipients {
            guard !recipient.targets.isEmpty else {
                throw MessagingError(.malformed, "a recipient without a target")
            }
            let fingerprint = Fingerprint(of: request, to: recipient.forwardPath)
            var positions: [Int] = []
            for target in recipient.targets {
                let place = Place(
                    destination: try Self.destination(of: target),
                    recipient: request.door == .lmtp ? recipient.forwardPath : nil)
                let position = places[place] ?? copies.count
                if position == copies.count {
                    places[place] = position
                    copies.append(try Self.copy(target, of: recipient, in: request))
                }
                copies[position].add(fingerprint)
                if !positions.contains(position) { positions.append(position) }
            }
            copiesOfRecipient.append(positions)
        }
    }

    var dispositions: [Disposition] { copies.map(\.disposition) }

    /// Whether this is final delivery for anyone (RFC 5321, 4.4).
    var storesAny: Bool { copies.contains { if case .store = $0.disposition.action { true } else { false } } }

    private static func enqueue(_ address: String, of request: AcceptRequest) -> Disposition {
        .with {
            $0.enqueue = .with {
                $0.reversePath = request.reversePath
                $0.forwardPath = address
                $0.smtputf8 = request.smtputf8
                $0.binaryMime = request.binaryMime
            }
        }
    }

    private static func destination(of target: Target) throws(MessagingError) -> Place.Destination {
        switch target.destination {
        case .accountID(let account):
            return .account(account)
        case .remoteAddress(let address):
            // Domains are equal in any case; of local parts only their host knows (RFC 5321, 2.4).
            guard let at = address.utf8.lastIndex(of: UInt8(ascii: "@")) else { return .remote(address) }
            return .remote(address[..<at] + address[at...].lowercased())
        case nil:
            throw MessagingError(.malformed, "a target without a destination")
        }
    }

    private static func copy(
        _ target: Target, of recipient: AcceptRequest.Recipient, in request: AcceptRequest
    ) throws(MessagingError) -> Copy {
        switch target.destination {
        case .accountID(let account):
            let store = Disposition.with {
                $0.store = .with {
                    $0.accountID = account
                    $0.internalDate = request.receivedAt
                    $0.fallBackToInbox = true
                }
                $0.forwardPath = recipient.forwardPath
            }
            return Copy(
                disposition: store, address: target.address.isEmpty ? recipient.forwardPath : target.address)
        case .remoteAddress(let address):
            // Strangers reach other servers by an alias of ours only; that a recipient is an alias, the directory has
            // said. Whoever submits has authenticated, or the door has failed: nothing is relayed for nobody.
            guard request.door != .submission || request.client.identity.accountID != 0 else {
                throw MessagingError(.denied, "a submission for another server without an identity")
            }
            return Copy(disposition: enqueue(address, of: request), address: address)
        case nil:
            throw MessagingError(.malformed, "a target without a destination")
        }
    }
}
