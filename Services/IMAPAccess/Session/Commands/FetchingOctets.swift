import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// FETCH of what is in the messages' octets: small messages are asked for ahead of the one that is written out, large ones
/// stream through.
extension Session {
    /// Messages of which no more than this is wanted are read whole and ahead.
    private static var smallOctets: Int { 256 * 1024 }
    private static var batchSize: Int { 64 }

    func fetchRanges(
        _ plan: FetchPlan, _ positions: [Range<Int>], _ newlySeen: Set<UInt32>, _ shortfall: inout FetchShortfall
    ) async throws {
        guard let mailboxID = selected?.view.mailboxID else { return }
        let reader = MessageReader(
            store: services.store, accountID: try accountID(), mailboxID: mailboxID, transaction: transaction,
            timeout: limits.peerTimeout)
        var iterator = targets(positions, newlySeen)
        while true {
            var batch: [FetchTarget] = []
            while batch.count < Self.batchSize, let target = iterator.next() { batch.append(target) }
            if batch.isEmpty { return }
            try await fetchBatch(plan, batch, reader, &shortfall)
        }
    }

    private func fetchBatch(
        _ plan: FetchPlan, _ batch: [FetchTarget], _ reader: MessageReader, _ shortfall: inout FetchShortfall
    ) async throws {
        var items: [UInt32: FetchItem] = [:]
        if plan.needsItems {
            let uids = NumberSet(batch.map(\.row.uid)).pairs
            let request = plan.request(accountID: reader.accountID, mailboxID: reader.mailboxID, uids: uids)
            for try await (item, _) in try await services.store.fetch(request, callContext()) {
                items[item.uid] = item
            }
        }
        var jobs: [FetchJob] = []
        for target in batch {
            let message: StoredMessage
            if plan.needsItems {
                guard let item = items[target.row.uid] else {
                    shortfall.someAreGone = true
                    continue
                }
                message = try StoredMessage(item)
            } else {
                message = StoredMessage(octets: Int(target.row.size))
            }
            guard let pieces = FetchPieces(plan.attributes, message) else {
                shortfall.someCannotBeDecoded = true
                continue
            }
            jobs.append(FetchJob(target: target, message: message, pieces: pieces))
        }
        try await run(jobs, plan, items, reader, &shortfall)
    }

    private struct FetchJob {
        var target: FetchTarget
        var message: StoredMessage
        var pieces: FetchPieces
    }

    /// Writes the answers in order while small messages behind them are already on their way.
    private func run(
        _ jobs: [FetchJob], _ plan: FetchPlan, _ items: [UInt32: FetchItem], _ reader: MessageReader,
        _ shortfall: inout FetchShortfall
    ) async throws {
        var someAreGone = false
        try await withThrowingTaskGroup(of: (Int, ByteBuffer?).self) { group in
            var arrived: [Int: ByteBuffer?] = [:]
            var asked = 0
            var inFlight = 0
            var inFlightOctets = 0
            for (position, job) in jobs.enumerated() {
                while asked < jobs.count, inFlight < limits.readAheadRequests {
                    let ahead = jobs[asked]
                    let span = ahead.pieces.span
                    if span.count > Self.smallOctets {
                        if asked > position { break }
                    } else if !span.isEmpty {
                        guard inFlight == 0 || inFlightOctets + span.count <= limits.readAheadOctets else { break }
                        let (number, uid) = (asked, ahead.target.row.uid)
                        group.addTask { (number, try await reader.read(uid: uid, span)) }
                        inFlight += 1
                        inFlightOctets += span.count
                    }
                    asked += 1
                }
                let span = job.pieces.span
                if span.count > Self.smallOctets {
                    if try await !writeLarge(job, plan, items, reader) { someAreGone = true }
                    continue
                }
                if span.isEmpty {
                    try await write(job, plan, items, ByteBuffer())
                    continue
                }
                while arrived[position] == nil, let (number, octets) = try await group.next() {
                    arrived[number] = .some(octets)
                }
                inFlight -= 1
                inFlightOctets -= span.count
                if let octets = arrived.removeValue(forKey: position) ?? nil {
                    try await write(job, plan, items, octets)
                } else {
                    someAreGone = true
                }
            }
        }
        if someAreGone { shortfall.someAreGone = true }
    }

    /// A message all of whose wanted octets are in `octets`.
    private func write(
        _ job: FetchJob, _ plan: FetchPlan, _ items: [UInt32: FetchItem], _ octets: ByteBuffer
    ) async throws {
        printer.beginFetch(UInt32(clamping: job.target.position + 1))
        for (number, attribute) in plan.attributes.enumerated() {
            guard let piece = job.pieces.pieces[number] else {
                print(attribute, job.target.row, items[job.target.row.uid] ?? FetchItem())
                continue
            }
            switch piece {
            case .missing:
                if case .binarySize(let part) = attribute {
                    printer.fetchBinarySize(part: part, 0)
                } else if let label = FetchOctetsLabel(attribute) {
                    printer.fetchOctets(label, nil)
                }
            case .octets(let range, let fields):
                guard let label = FetchOctetsLabel(attribute) else { continue }
                var slice = octets.slice(range, from: job.pieces.span)
                if let fields {
                    slice = ByteBuffer(
                        bytes: HeaderBlock(Array(slice.readableBytesView)).extract(
                            names: fields.names, excluding: fields.excluding)
                    ).clamped(to: SectionSource(attribute)?.partial)
                }
                printer.beginFetchOctets(label, count: UInt64(slice.readableBytes))
                try await write(slice)
            case .decoded(let range, let decoder):
                var decoder = decoder
                var decoded: [UInt8] = []
                decoder.decode(octets.slice(range, from: job.pieces.span).readableBytesView, into: &decoded)
                decoder.finish(into: &decoded)
                if case .binarySize(let part) = attribute {
                    printer.fetchBinarySize(part: part, UInt64(decoded.count))
                } else if let label = FetchOctetsLabel(attribute, isLiteral8: decoded.contains(0)) {
                    printer.fetchOctets(
                        label, ByteBuffer(bytes: decoded).clamped(to: SectionSource(attribute)?.partial))
                }
            }
        }
        endFetch(job.target, plan)
        try await breathe()
    }

    /// A message of which much is wanted: each attribute streams by itself. False when the message is gone.
    private func writeLarge(
        _ job: FetchJob, _ plan: FetchPlan, _ items: [UInt32: FetchItem], _ reader: MessageReader
    ) async throws -> Bool {
        let uid = job.target.row.uid
        // Whether it is still there must be known before the answer begins.
        let probe = job.pieces.span.lowerBound
        guard try await reader.read(uid: uid, probe..<probe + 1) != nil else { return false }
        printer.beginFetch(UInt32(clamping: job.target.position + 1))
        do {
            for (number, attribute) in plan.attributes.enumerated() {
                guard let piece = job.pieces.pieces[number] else {
                    print(attribute, job.target.row, items[uid] ?? FetchItem())
                    continue
                }
                try await writeLarge(piece, attribute, uid, job, reader)
            }
        } catch let end as SessionEnd {
            throw end
        } catch {
            // The answer is half written: only the end of the connection tells the client so.
            logger.warning("answer broken off", metadata: ["transaction": "\(transaction)", "error": "\(error)"])
            throw SessionEnd.clientGone
        }
        endFetch(job.target, plan)
        try await breathe()
        return true
    }

    private func writeLarge(
        _ piece: FetchPieces.Piece, _ attribute: FetchAttribute, _ uid: UInt32, _ job: FetchJob,
        _ reader: MessageReader
    ) async throws {
        let gone = MessagingError(.failed, "the message vanished while it was read")
        switch piece {
        case .octets(let range, nil):
            guard let label = FetchOctetsLabel(attribute) else { return }
            printer.beginFetchOctets(label, count: UInt64(range.count))
            guard try await reader.stream(uid: uid, range, promised: true, { try await write($0) }) else { throw gone }
        case .decoded(let range, let decoder):
            var total: UInt64 = 0
            var binary = false
            try await decode(range, decoder, uid, reader) { octets in
                total += UInt64(octets.count)
                binary = binary || octets.contains(0)
            }
            if case .binarySize(let part) = attribute {
                printer.fetchBinarySize(part: part, total)
                return
            }
            guard let label = FetchOctetsLabel(attribute, isLiteral8: binary) else { return }
            let wanted = SectionSource(attribute)?.partial?.clamped(to: total) ?? 0..<total
            printer.beginFetchOctets(label, count: UInt64(wanted.count))
            var position: UInt64 = 0
            try await decode(range, decoder, uid, reader) { octets in
                let here = position..<position + UInt64(octets.count)
                position = here.upperBound
                let overlap = here.clamped(to: wanted)
                guard !overlap.isEmpty else { return }
                let start = Int(overlap.lowerBound - here.lowerBound)
                try await write(ByteBuffer(bytes: octets[start..<start + overlap.count]))
            }
        case .missing, .octets(_, .some):
            // Fields are chosen in memory: a header is never larger than its limit.
            let range = piece.range ?? 0..<0
            let octets = range.isEmpty ? ByteBuffer() : try await reader.read(uid: uid, range)
            guard let octets else { throw gone }
            guard let label = FetchOctetsLabel(attribute) else { return }
            guard case .octets(_, .some(let fields)) = piece else { return printer.fetchOctets(label, nil) }
            let chosen = HeaderBlock(Array(octets.readableBytesView)).extract(
                names: fields.names, excluding: fields.excluding)
            printer.fetchOctets(label, ByteBuffer(bytes: chosen).clamped(to: SectionSource(attribute)?.partial))
        }
    }

    private func decode(
        _ range: Range<Int>, _ decoder: TransferDecoder, _ uid: UInt32, _ reader: MessageReader,
        _ take: ([UInt8]) async throws -> Void
    ) async throws {
        var decoder = decoder
        var decoded: [UInt8] = []
        let found = try await reader.stream(uid: uid, range, promised: true) { chunk in
            decoder.decode(chunk.readableBytesView, into: &decoded)
            try await take(decoded)
            decoded.removeAll(keepingCapacity: true)
        }
        guard found else { throw MessagingError(.failed, "the message vanished while it was read") }
        decoder.finish(into: &decoded)
        if !decoded.isEmpty { try await take(decoded) }
    }
}
