import Contracts
import IMAPSyntax
import MailMessage
import NIOCore

/// One THREAD over one state of a mailbox: a search, then what threading needs of the headers of what it found, read once.
struct ThreadRun: Sendable {
    let search: MailboxSearch
    let algorithm: ThreadAlgorithm

    /// The threads of the messages that match. A message that is gone when it is read is left out.
    @concurrent
    func threads(_ numbering: Numbering) async throws -> MessageThreads {
        let matches = try await search.matches()
        let found = search.numbers(of: matches, as: .uids)
        let (kept, members) = try await made(found)
        let numbers = search.numbers(of: matches, as: numbering)
        let positions = kept.rows.positions(in: found)
        var threads = MessageThreads()
        for member in members {
            threads.append(member.message.map { numbers[Int(positions[$0])] }, depth: member.depth)
        }
        return threads
    }

    /// The messages as they are kept, and the threads of those that were found by their rows.
    private func made(_ found: [UInt32]) async throws -> (ThreadedMessages, [ThreadMember]) {
        let columns = search.columns
        let mailboxID = columns.mailbox.mailboxID
        var (kept, isKept) = try await search.memory.threaded.upToDate(
            mailboxID, from: ThreadedMessages(), present: columns.uids, found: found
        ) { uids, kept in
            var isInOrder = true
            try await search.reader.messages(uids: uids, { $0.header = true }) { message in
                guard let index = columns.index(of: message.uid) else { return }
                if !kept.append(message, arrival: columns.dates[index]) { isInOrder = false }
            }
            try Task.checkCancellation()
            return isInOrder
        }
        let members = kept.threads(algorithm, of: found)
        if isKept { search.memory.threaded.keep(kept, mailboxID) }
        return (kept, members)
    }
}

/// Messages of a mailbox with what threading needs of them, and the threads of all of them.
struct ThreadedMessages: KeptMessages {
    private(set) var rows = KeptRows()
    private var input = ThreadInput()
    /// The threads of all rows, by the algorithms that were asked for.
    private var all: [ThreadAlgorithm: [ThreadMember]] = [:]

    var octets: Int { 128 + 4 * rows.count + input.octets + all.values.reduce(0) { $0 + 32 * $1.count } }

    /// False when a later message is there already. The arrival is the internal date in microseconds.
    mutating func append(_ message: FetchedMessage, arrival: Int64) -> Bool {
        guard rows.append(message.uid) else { return false }
        input.append(
            header: HeaderBlock(message.header.map { Array($0.readableBytesView) } ?? []), arrival: arrival)
        all = [:]
        return true
    }

    /// The threads of those rows whose uids are among these, which ascend.
    mutating func threads(_ algorithm: ThreadAlgorithm, of uids: [UInt32]) -> [ThreadMember] {
        if uids.count >= rows.count, rows.missing(of: uids).count == uids.count - rows.count {
            if let known = all[algorithm] { return known }
            let made = algorithm.threads(input)
            all[algorithm] = made
            return made
        }
        let chosen = rows.positions(in: uids).enumerated().filter { $0.element >= 0 }.map(\.offset)
        return algorithm.threads(input.only(chosen)).map {
            ThreadMember(message: $0.message.map { chosen[$0] }, depth: $0.depth)
        }
    }
}

extension ThreadAlgorithm {
    fileprivate func threads(_ input: ThreadInput) -> [ThreadMember] {
        switch self {
        case .orderedSubject: SubjectThreads.make(input)
        case .references: ReferenceThreads.make(input, mergesSubjects: true)
        case .refs: ReferenceThreads.make(input, mergesSubjects: false)
        }
    }
}

extension ThreadInput {
    /// Adds a message by its header; the arrival is the internal date in microseconds.
    mutating func append(header: HeaderBlock, arrival: Int64) {
        func identifiers(_ field: String) -> [[UInt8]] {
            MessageIdentifier.normalized(in: header.firstValue(named: field) ?? [])
        }
        let subject = BaseSubject.key(of: header.firstValue(named: "subject") ?? [])
        var references = identifiers("references")
        // In-Reply-To is known to hold addresses behind the identifier (RFC 5256, 3).
        if references.isEmpty { references = Array(identifiers("in-reply-to").prefix(1)) }
        append(
            sentDate: SentDate.seconds(header.firstValue(named: "date"), arrival: arrival),
            arrival: SearchProgram.second(arrival), subject: subject.key, isReplyOrForward: subject.isReplyOrForward,
            identifier: identifiers("message-id").first, references: references)
    }
}
