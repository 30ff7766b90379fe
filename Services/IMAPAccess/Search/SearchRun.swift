import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// A search program over one state of a mailbox. It does not run on the session's event loop: looking through mail takes
/// time that other sessions of the loop would miss.
struct SearchRun: Sendable {
    let program: SearchProgram
    let columns: MailboxColumns
    let reader: MessageReader

    /// Messages read at the same time.
    private static var parallelReads: Int { 8 }
    /// A message up to this size is read at once, a larger one part by part.
    private static var wholeOctets: Int { 512 * 1024 }

    /// The indices of the messages that match, ascending. Messages that are gone do not match.
    @concurrent
    func matches() async throws -> [Int] {
        var matching: [Int] = []
        var open: [Int] = []
        for index in 0..<columns.count {
            var nothing = SearchProgram.Knowledge()
            switch program.evaluate(columns[index], number: index + 1, &nothing) {
            case true?: matching.append(index)
            case false?: break
            case nil: open.append(index)
            }
        }
        if program.needsRow, !open.isEmpty { open = try await decideByRows(open, &matching) }
        guard !open.isEmpty else { return matching.sorted() }
        var unread: [Int] = []
        try await decideByHeaders(open, &matching, &unread)
        try await decideByText(unread, &matching)
        return matching.sorted()
    }

    /// Decides what it can by storage's rows, and returns what needs more.
    private func decideByRows(_ open: [Int], _ matching: inout [Int]) async throws -> [Int] {
        var undecided: [Int] = []
        try await reader.items(uids: open.map { columns.uids[$0] }, { $0.rowOnly = true }) { item, _ in
            guard let index = columns.index(of: item.uid) else { return }
            var knowledge = SearchProgram.Knowledge(row: SearchProgram.StoredRow(item))
            switch program.evaluate(columns[index], number: index + 1, &knowledge) {
            case true?: matching.append(index)
            case false?: break
            case nil: undecided.append(index)
            }
        }
        return undecided
    }

    private func decideByHeaders(_ open: [Int], _ matching: inout [Int], _ unread: inout [Int]) async throws {
        try await reader.items(uids: open.map { columns.uids[$0] }, { $0.header = true }) { item, payload in
            guard let index = columns.index(of: item.uid) else { return }
            var knowledge = SearchProgram.Knowledge(row: SearchProgram.StoredRow(item))
            knowledge.header = HeaderText(payload.first.map { Array($0.readableBytesView) } ?? [])
            switch program.evaluate(columns[index], number: index + 1, &knowledge) {
            case true?: matching.append(index)
            case false?: break
            case nil: unread.append(index)
            }
        }
    }

    private func decideByText(_ unread: [Int], _ matching: inout [Int]) async throws {
        guard !unread.isEmpty else { return }
        try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
            var rest = unread[...]
            for index in rest.prefix(Self.parallelReads) {
                group.addTask { (index, try await matchesByText(index)) }
            }
            rest = rest.dropFirst(Self.parallelReads)
            while let (index, matches) = try await group.next() {
                if matches { matching.append(index) }
                if let next = rest.popFirst() { group.addTask { (next, try await matchesByText(next)) } }
            }
        }
    }

    private func matchesByText(_ index: Int) async throws -> Bool {
        var request = FetchRequest()
        request.accountID = reader.accountID
        request.mailboxID = reader.mailboxID
        request.uids = [columns.uids[index], columns.uids[index]]
        request.header = true
        request.mimeIndex = true
        let context = CallContext(transaction: reader.transaction, timeout: reader.timeout)
        for try await (item, payload) in try await reader.store.fetch(request, context) {
            let header = HeaderText(payload.first.map { Array($0.readableBytesView) } ?? [])
            guard let inBody = try await scanBody(StoredMessage(item), item.uid) else { return false }
            var inHeader = TextScanner(program.needles)
            for line in header.lines {
                inHeader.consume(line)
                inHeader.endOfText()
            }
            var knowledge = SearchProgram.Knowledge(
                header: header, row: SearchProgram.StoredRow(item), inBody: inBody)
            knowledge.inText = zip(inBody, inHeader.found).map { $0 || $1 }
            return program.evaluate(columns[index], number: index + 1, &knowledge) ?? false
        }
        return false
    }

    /// Which needles the body holds: in its text parts, decoded, and in the headers of messages within it. Nil when the
    /// message is gone.
    private func scanBody(_ message: StoredMessage, _ uid: UInt32) async throws -> [Bool]? {
        var scanner = TextScanner(program.needles)
        var whole: ByteBuffer?
        if message.octets <= Self.wholeOctets {
            whole = try await reader.read(uid: uid, 0..<message.octets)
            guard whole != nil else { return nil }
        }
        for header in message.headers.dropFirst() where !scanner.isComplete {
            let octets = try await octets(header, of: uid, whole, limit: Self.wholeOctets)
            for line in HeaderText(octets).lines {
                scanner.consume(line)
                scanner.endOfText()
            }
        }
        for (part, body) in message.parts where part.structure == .leaf && part.isText && !scanner.isComplete {
            guard var decoder = TransferDecoder(part.encoding) else { continue }
            let text = CharsetText(charset: part.charset)
            if let whole {
                var decoded: [UInt8] = []
                decoder.decode(whole.slice(body, from: 0..<message.octets).readableBytesView, into: &decoded)
                decoder.finish(into: &decoded)
                text.decode(decoded) { scanner.consume($0) }
            } else {
                let found = try await reader.stream(uid: uid, body) { chunk in
                    var decoded: [UInt8] = []
                    decoder.decode(chunk.readableBytesView, into: &decoded)
                    text.decode(decoded) { scanner.consume($0) }
                }
                guard found else { return nil }
                var decoded: [UInt8] = []
                decoder.finish(into: &decoded)
                text.decode(decoded) { scanner.consume($0) }
            }
            text.finish { scanner.consume($0) }
            scanner.endOfText()
        }
        return scanner.found
    }

    private func octets(
        _ range: Range<Int>, of uid: UInt32, _ whole: ByteBuffer?, limit: Int
    ) async throws -> [UInt8] {
        guard !range.isEmpty, range.count <= limit else { return [] }
        if let whole {
            return Array(
                whole.getSlice(at: whole.readerIndex + range.lowerBound, length: range.count)?.readableBytesView
                    ?? ByteBufferView())
        }
        return try await reader.read(uid: uid, range).map { Array($0.readableBytesView) } ?? []
    }
}

/// Text of a part as UTF-8, piece by piece.
private final class CharsetText {
    private let decoder: CharsetDecoder
    private var utf8: [UInt8] = []

    init(charset: String) {
        decoder = CharsetDecoder(charset: charset)
    }

    func decode(_ octets: [UInt8], _ take: ([UInt8]) -> Void) {
        utf8.removeAll(keepingCapacity: true)
        decoder.decode(octets, into: &utf8)
        take(utf8)
    }

    func finish(_ take: ([UInt8]) -> Void) {
        utf8.removeAll(keepingCapacity: true)
        decoder.finish(into: &utf8)
        take(utf8)
    }
}
