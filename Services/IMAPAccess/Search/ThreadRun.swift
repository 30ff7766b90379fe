import IMAPSyntax
import MailMessage

/// One THREAD over one state of a mailbox: a search, then what threading needs of what it found, read once. By subject
/// the ENVELOPE says it all; References is only in the header.
struct ThreadRun: Sendable {
    let search: MailboxSearch
    let algorithm: ThreadAlgorithm

    /// The threads of the messages that match. A message that is gone when it is read is left out.
    @concurrent
    func threads(_ numbering: Numbering) async throws -> MessageThreads {
        let matches = try await search.matches()
        let columns = search.columns
        let uids = search.numbers(of: matches, as: .uids)
        var input = ThreadInput()
        var indices: [Int] = []
        if algorithm == .orderedSubject {
            try await search.reader.items(uids: uids, { $0.envelope = true }) { item, _ in
                guard let index = columns.index(of: item.uid) else { return }
                indices.append(index)
                let envelope = EnvelopeFields(Array(item.envelope)) ?? EnvelopeFields()
                input.append(
                    sentDate: SentDate.seconds(envelope.date, arrival: columns.dates[index]),
                    arrival: SearchProgram.second(columns.dates[index]),
                    subject: BaseSubject.key(of: envelope.subject ?? []).key)
            }
        } else {
            try await search.reader.items(uids: uids, { $0.header = true }) { item, payload in
                guard let index = columns.index(of: item.uid) else { return }
                indices.append(index)
                input.append(
                    header: HeaderBlock(payload.first.map { Array($0.readableBytesView) } ?? []),
                    arrival: columns.dates[index])
            }
        }
        try Task.checkCancellation()
        let numbers = search.numbers(of: indices, as: numbering)
        var threads = MessageThreads()
        for member in made(of: input) { threads.append(member.message.map { numbers[$0] }, depth: member.depth) }
        return threads
    }

    private func made(of input: ThreadInput) -> [ThreadMember] {
        switch algorithm {
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
