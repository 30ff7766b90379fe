import Contracts
import NIOCore

/// A search program over one state of a mailbox. It does not run on the session's event loop: looking through mail takes
/// time that other sessions of the loop would miss.
struct SearchRun: Sendable {
    let program: SearchProgram
    let columns: MailboxColumns
    let reader: MessageReader
    let memory: SearchMemory

    /// To read fewer messages than this is less work than to ask the index, or to look into what is kept of all.
    private static var indexedCount: Int { 64 }

    /// The indices of the messages that match, ascending. Messages that are gone do not match.
    @concurrent
    func matches() async throws -> [Int] {
        var matching: [Int] = []
        var open: [Int] = []
        let nothing = SearchProgram.Knowledge()
        for index in 0..<columns.count {
            switch program.evaluate(columns[index], number: index + 1, nothing) {
            case true?: matching.append(index)
            case false?: break
            case nil: open.append(index)
            }
        }
        if program.needsRow, !open.isEmpty { open = try await decideByRows(open, &matching) }
        var headerHelps = [Bool](
            repeating: program.needsHeader || !program.fieldQuestions.isEmpty, count: columns.count)
        if open.count >= Self.indexedCount { open = try await decideByFields(open, &headerHelps, &matching) }
        var isIndexed: [Bool]?
        if open.count >= Self.indexedCount, let index = TextIndex(program.needles) {
            (open, isIndexed) = try await decideByIndex(index, open, &matching)
        }
        open = try await decideByHeaders(open, where: headerHelps, &matching)
        if !program.needles.isEmpty, !open.isEmpty { try await decideByText(open, isIndexed, &matching) }
        return matching.sorted()
    }

    /// Decides what it can by storage's rows, and returns what needs more.
    private func decideByRows(_ open: [Int], _ matching: inout [Int]) async throws -> [Int] {
        var undecided: [Int] = []
        try await reader.messages(uids: uids(open), { $0.rowOnly = true }) { message in
            decide(message, SearchProgram.Knowledge(row: SearchProgram.StoredRow(message)), &matching, &undecided)
        }
        return undecided
    }

    /// Decides what it can by the headers that say more than is known, and returns what needs more.
    private func decideByHeaders(
        _ open: [Int], where headerHelps: [Bool], _ matching: inout [Int]
    ) async throws -> [Int] {
        let unread = open.filter { headerHelps[$0] }
        guard !unread.isEmpty else { return open }
        var undecided = open.filter { !headerHelps[$0] }
        try await reader.messages(uids: uids(unread), { $0.header = true }) { message in
            let header = HeaderText(message.header ?? ByteBuffer())
            decide(
                message, SearchProgram.Knowledge(header: header, row: SearchProgram.StoredRow(message)), &matching,
                &undecided)
        }
        return undecided.sorted()
    }

    /// Decides what it can by what is kept of the fields. Returns what needs more, and says of which of these the header
    /// may help.
    private func decideByFields(
        _ open: [Int], _ headerHelps: inout [Bool], _ matching: inout [Int]
    ) async throws -> [Int] {
        guard !program.fieldQuestions.isEmpty, let empty = memory.noFields(messages: columns.count) else { return open }
        let (kept, _) = try await memory.fields.upToDate(
            reader.mailboxID, from: empty, present: columns.uids, found: uids(open)
        ) { uids, kept in
            var isInOrder = true
            try await reader.messages(uids: uids, { $0.header = true }) { message in
                if !kept.append(message.uid, HeaderText(message.header ?? ByteBuffer())) { isInOrder = false }
            }
            try Task.checkCancellation()
            return isInOrder
        }
        let findings = kept.findings(program.fieldQuestions, among: columns.uids)
        var undecided: [Int] = []
        for index in open {
            let knowledge = SearchProgram.Knowledge(fields: findings[index])
            switch program.evaluate(columns[index], number: index + 1, knowledge) {
            case true?: matching.append(index)
            case false?: break
            case nil:
                undecided.append(index)
                headerHelps[index] = program.needsHeader || !findings[index].open.isEmpty
            }
        }
        return undecided
    }

    /// Decides what it can by the index of texts. Returns what needs more, and which messages the index has.
    private func decideByIndex(
        _ index: TextIndex, _ open: [Int], _ matching: inout [Int]
    ) async throws -> ([Int], isIndexed: [Bool]) {
        var isOpen = [Bool](repeating: false, count: columns.count)
        var isIndexed = isOpen
        for index in open { isOpen[index] = true }
        try await index.read(reader) { uid, absent in
            guard let index = columns.index(of: uid) else { return }
            isIndexed[index] = true
            guard isOpen[index] else { return }
            let matches = program.evaluate(
                columns[index], number: index + 1, SearchProgram.Knowledge(absent: absent))
            guard let matches else { return }
            isOpen[index] = false
            if matches { matching.append(index) }
        }
        return (open.filter { isOpen[$0] }, isIndexed)
    }

    /// Reads what is left, and adds to the index what it does not have.
    private func decideByText(_ open: [Int], _ isIndexed: [Bool]?, _ matching: inout [Int]) async throws {
        let texts = MessageTexts(needles: program.needles, reader: reader)
        var undecided: [Int] = []
        var segment = TextSegmentBuilder()
        try await reader.messages(uids: uids(open), inPassing: true, MessageTexts.choose) { message in
            guard let index = columns.index(of: message.uid) else { return }
            let signs = isIndexed.map { !$0[index] } ?? false
            guard let findings = try await texts.scan(message, signing: signs) else { return }
            let knowledge = SearchProgram.Knowledge(
                header: findings.header, row: SearchProgram.StoredRow(message), inBody: findings.inBody,
                inText: findings.inText)
            decide(message, knowledge, &matching, &undecided)
            if let signature = findings.signature, let full = segment.add(message.uid, signature) {
                await TextIndex.add(full, reader)
            }
        }
    }

    private func decide(
        _ message: FetchedMessage, _ knowledge: SearchProgram.Knowledge, _ matching: inout [Int],
        _ undecided: inout [Int]
    ) {
        guard let index = columns.index(of: message.uid) else { return }
        switch program.evaluate(columns[index], number: index + 1, knowledge) {
        case true?: matching.append(index)
        case false?: break
        case nil: undecided.append(index)
        }
    }

    private func uids(_ indices: [Int]) -> [UInt32] { indices.map { columns.uids[$0] } }
}
