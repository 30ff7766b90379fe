/// What threading needs of the messages that a search found, in the mailbox's order. Identifiers and subjects are
/// numbers: a thousand messages of one thread hold its identifiers once.
struct ThreadInput: Sendable {
    struct Message: Sendable {
        /// Seconds since 1970 (RFC 5256, 2.2).
        var sentDate: Int64
        /// The internal date, seconds since 1970.
        var arrival: Int64
        /// The number of the base subject; 0 is the empty one.
        var subject: Int
        var isReplyOrForward: Bool
        /// The number of its Message-ID; nil without one.
        var identifier: Int?
        /// Where its references stand in `references`, the eldest ancestor first.
        var references: Range<Int>
    }

    private(set) var messages: [Message] = []
    /// The numbers of identifiers.
    private(set) var references: [Int] = []
    private var identifiers: [[UInt8]: Int] = [:]
    private var subjects: [[UInt8]: Int] = [[]: 0]

    /// The octets of all identifiers and subjects, which senders choose.
    private var keyOctets = 0

    /// About how much it occupies.
    var octets: Int {
        72 * messages.count + 8 * references.count + 120 * (identifiers.count + subjects.count) + keyOctets
    }

    var identifierCount: Int { identifiers.count }
    var subjectCount: Int { subjects.count }

    /// References of one message that are looked at: those to its nearest ancestors.
    private static let referenceLimit = 128

    /// What headers say makes nothing grow faster than the messages do: identifiers that are in no header of their own
    /// are forgotten beyond this many.
    private var identifierLimit: Int { 10_000 + 16 * messages.count }

    /// Adds a message. `subject` is the collation key of the base subject; identifiers are normalised.
    mutating func append(
        sentDate: Int64, arrival: Int64, subject: [UInt8] = [], isReplyOrForward: Bool = false,
        identifier: [UInt8]? = nil, references: [[UInt8]] = []
    ) {
        let start = self.references.count
        for reference in references.suffix(Self.referenceLimit) {
            if let known = identifiers[reference] {
                self.references.append(known)
            } else if identifiers.count < identifierLimit {
                self.references.append(number(of: reference, in: \.identifiers))
            }
        }
        let subject = number(of: subject, in: \.subjects)
        let identifier = identifier.map { number(of: $0, in: \.identifiers) }
        messages.append(
            Message(
                sentDate: sentDate, arrival: arrival, subject: subject, isReplyOrForward: isReplyOrForward,
                identifier: identifier, references: start..<self.references.count))
    }

    /// Only these of the messages, which ascend.
    func only(_ positions: [Int]) -> ThreadInput {
        var part = self
        part.messages = positions.map { messages[$0] }
        return part
    }

    private mutating func number(
        of key: [UInt8], in numbers: WritableKeyPath<ThreadInput, [[UInt8]: Int]>
    ) -> Int {
        if let known = self[keyPath: numbers][key] { return known }
        let new = self[keyPath: numbers].count
        self[keyPath: numbers][key] = new
        keyOctets += key.count
        return new
    }

    /// The positions of the messages by sent date, those of the same date in the mailbox's order.
    var byDate: [Int] {
        var order = Array(messages.indices)
        order.sort { left, right in
            let (first, second) = (messages[left].sentDate, messages[right].sentDate)
            return first == second ? left < right : first < second
        }
        return order
    }
}

/// A place in the threads that are made, each parent before its children.
struct ThreadMember: Equatable, Sendable {
    /// The position of the message in the input; nil for one that only others speak of.
    var message: Int?
    /// 0 for the first of a thread.
    var depth: Int
}
