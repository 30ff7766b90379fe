import Contracts
import Messaging

/// What the outcomes of a message's copies mean to its recipients.
///
/// SMTP has one reply for a message, and whatever it is, it is the client's last word on all recipients: 250 for a message
/// of which one copy failed would lose that copy; 4yz would bring the copies again that are stored; 5yz would
/// report as lost what is not. So once **one** copy is durable, the message is Martlet's, and every copy that could not
/// be stored (its quota filled up, or its account went away, between RCPT and now) goes into the queue, which tries again
/// and in the end tells the sender. Only when no copy is durable, the failures themselves are the reply.
///
/// LMTP has a reply for each recipient (RFC 2033, 4.2), so there a message is judged for each recipient alone; only the
/// copies of one alias can be in part stored.
///
/// When the queue cannot be written either, the reply is 451: the client comes again, and what is stored may then come
/// twice, but nothing is lost.
struct Judgement: Sendable {
    private let plan: DispositionPlan
    private let failures: [Fate?]
    /// Recipients that get one answer together.
    private let groups: [[Int]]
    private let postponedCopies: Set<Int>
    private var isQueued = true
    /// For each copy the transaction that made it.
    private let firstTransactions: [TransactionID?]

    init(_ plan: DispositionPlan, _ results: [CommitReply.Result], door: Door) {
        self.plan = plan
        let failures = results.map { Fate.failure($0.outcome) }
        self.failures = failures
        firstTransactions = results.map { TransactionID(octets: $0.copyID) }
        let recipients = plan.copiesOfRecipient.indices
        switch door {
        case .lmtp: groups = recipients.map { [$0] }
        case .relay, .submission, .unspecified, .UNRECOGNIZED: groups = [Array(recipients)]
        }
        var postponed: Set<Int> = []
        for group in groups {
            let copies = group.flatMap { plan.copiesOfRecipient[$0] }
            guard copies.contains(where: { failures[$0] == nil }) else { continue }
            postponed.formUnion(copies.filter { failures[$0] != nil })
        }
        postponedCopies = postponed
    }

    /// Copies that go into the queue, in the order of the plan.
    var postponed: [Int] { postponedCopies.sorted() }

    /// Whether the postponed copies are in the queue.
    mutating func queued(_ isQueued: Bool) {
        self.isQueued = isQueued
    }

    private func isDurable(_ copy: Int) -> Bool {
        failures[copy] == nil || (isQueued && postponedCopies.contains(copy))
    }

    /// One for each recipient.
    func fates(of transaction: TransactionID) -> [Fate] {
        var fates = [Fate](repeating: .accepted(transaction), count: plan.copiesOfRecipient.count)
        for group in groups {
            let copies = group.flatMap { plan.copiesOfRecipient[$0] }
            if copies.allSatisfy(isDurable) {
                // All of it had been delivered before: the reply that was lost is given again.
                let first = copies.first.flatMap { firstTransactions[$0] }
                if let first, copies.allSatisfy({ firstTransactions[$0] == first }) {
                    for recipient in group { fates[recipient] = .accepted(first) }
                }
                continue
            }
            let isPartly = copies.contains { failures[$0] == nil }
            for recipient in group {
                let failure = plan.copiesOfRecipient[recipient].lazy.compactMap { failures[$0] }.first
                fates[recipient] = isPartly ? .storageAway : failure ?? .storageAway
            }
        }
        return fates
    }
}
