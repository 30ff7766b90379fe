import IMAPSyntax
import MailMessage

/// What messages are sorted by (RFC 5256, 3; RFC 5957), a column for each criterion, made once for each message.
struct SortKeys: Sendable {
    private enum Column: Sendable {
        case numbers([Int64])
        case texts(KeyColumn)
    }

    /// A criterion after another of the same key decides nothing.
    let criteria: [SortCriterion]
    private var columns: [Column]
    /// The messages' indices in the mailbox.
    private var indices: [Int] = []

    init(_ criteria: [SortCriterion]) {
        var distinct: [SortCriterion] = []
        for criterion in criteria where !distinct.contains(where: { $0.key == criterion.key }) {
            distinct.append(criterion)
        }
        self.criteria = distinct
        columns = distinct.map { $0.key.isNumber ? .numbers([]) : .texts(KeyColumn()) }
    }

    /// Whether the view alone does not have the keys.
    var needEnvelopes: Bool { criteria.contains { $0.key.needsEnvelope } }

    /// About how much they occupy.
    var octets: Int {
        columns.reduce(16 * indices.count) { octets, column in
            switch column {
            case .numbers(let numbers): octets + 8 * numbers.count
            case .texts(let texts): octets + texts.size
            }
        }
    }

    mutating func append(_ index: Int, _ row: MessageRow, _ envelope: EnvelopeFields, relevancy: UInt32 = 0) {
        indices.append(index)
        for position in columns.indices {
            let key = criteria[position].key
            // Taken out of its place while it grows, so that it is not copied.
            switch columns[position] {
            case .numbers(var numbers):
                columns[position] = .numbers([])
                numbers.append(key.number(row, envelope, relevancy))
                columns[position] = .numbers(numbers)
            case .texts(var texts):
                columns[position] = .texts(KeyColumn())
                texts.append(key.text(envelope))
                columns[position] = .texts(texts)
            }
        }
    }

    /// The messages' indices in order. Those that are equal by all criteria stay in the mailbox's order.
    func sorted() -> [Int] { order().map { indices[$0] } }

    /// The positions of the messages, in the order of their appending, in order. One that was in order before some were
    /// appended makes it quick.
    func order(from former: [Int] = []) -> [Int] {
        var order = former + (former.count..<indices.count)
        order.sort { precedes($0, $1) }
        return order
    }

    private func precedes(_ first: Int, _ second: Int) -> Bool {
        for (criterion, column) in zip(criteria, columns) {
            let difference: Int
            switch column {
            case .numbers(let numbers):
                difference = numbers[first] < numbers[second] ? -1 : numbers[first] > numbers[second] ? 1 : 0
            case .texts(let texts):
                difference = texts.compare(first, second)
            }
            if difference != 0 { return (difference < 0) != criterion.isReversed }
        }
        return indices[first] < indices[second]
    }
}

extension SortKey {
    fileprivate var isNumber: Bool {
        switch self {
        case .arrival, .date, .relevancy, .size: true
        case .cc, .displayFrom, .displayTo, .from, .subject, .to: false
        }
    }

    fileprivate var needsEnvelope: Bool { self != .arrival && self != .size && self != .relevancy }

    /// Dates in seconds since 1970, as clients see them.
    fileprivate func number(_ row: MessageRow, _ envelope: EnvelopeFields, _ relevancy: UInt32) -> Int64 {
        switch self {
        // The most relevant first.
        case .relevancy: -Int64(relevancy)
        case .size: Int64(row.size)
        case .date: SentDate.seconds(envelope.date, arrival: row.date)
        case .arrival, .cc, .displayFrom, .displayTo, .from, .subject, .to: SearchProgram.second(row.date)
        }
    }

    /// What is absent is empty.
    fileprivate func text(_ envelope: EnvelopeFields) -> [UInt8] {
        switch self {
        case .subject: BaseSubject.key(of: envelope.subject ?? []).key
        case .from: envelope.from?.mailboxKey ?? []
        case .to: envelope.to?.mailboxKey ?? []
        case .cc: envelope.cc?.mailboxKey ?? []
        case .displayFrom: envelope.from?.displayKey ?? []
        case .displayTo: envelope.to?.displayKey ?? []
        case .arrival, .date, .relevancy, .size: []
        }
    }
}

/// When a message was sent (RFC 5256, 2.2).
enum SentDate {
    /// Seconds since 1970: those of the Date field, else those of the internal date, which is in microseconds.
    static func seconds(_ field: [UInt8]?, arrival: Int64) -> Int64 {
        field.flatMap { MailDate(parsing: $0, anyTime: true) }?.secondsSince1970 ?? SearchProgram.second(arrival)
    }
}

extension BaseSubject {
    /// The collation key of the base subject of a Subject field, and whether the subject is one of a reply or forward.
    static func key(of field: [UInt8]) -> (key: [UInt8], isReplyOrForward: Bool) {
        let text = FieldText(field)
        let base = BaseSubject(of: text.octets)
        return (text.with(base.octets).collationKey, base.isReplyOrForward)
    }
}

extension EnvelopeFields.Address {
    /// The local part, or the name of a group, which is a phrase and may hold encoded-words.
    fileprivate var mailboxKey: [UInt8] {
        guard let mailbox else { return [] }
        return host == nil ? FieldText(mailbox).collationKey : FieldText(plain: mailbox).collationKey
    }

    /// What an address shows to people (RFC 5957, 3).
    fileprivate var displayKey: [UInt8] {
        if let name {
            let text = FieldText(name)
            if !text.octets.isEmpty { return text.collationKey }
        }
        guard let mailbox, let host else { return mailboxKey }
        return FieldText(plain: mailbox + [UInt8(ascii: "@")] + host).collationKey
    }
}
