import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import NIOCore

/// FETCH of what is in the messages' octets: small messages came with the page, large ones stream through.
extension Session {
    /// A message of which no more than this is wanted is read at once.
    private static var smallOctets: Int { 256 * 1024 }

    func writeOctets(
        _ target: FetchTarget, _ message: FetchedMessage, _ plan: FetchPlan, _ reader: MessageReader,
        _ shortfall: inout FetchShortfall
    ) async throws {
        guard let pieces = FetchPieces(plan, try StoredMessage(message)) else {
            shortfall.someCannotBeDecoded = true
            return
        }
        let job = FetchJob(target: target, message: message, plan: plan, pieces: pieces)
        let span = pieces.span
        let isThere: Bool
        if let octets = message.octets(span) {
            try await write(job, octets)
            isThere = true
        } else if span.count <= Self.smallOctets {
            let octets = try await reader.read(uid: message.uid, span)
            if let octets { try await write(job, octets) }
            isThere = octets != nil
        } else {
            isThere = try await writeLarge(job, reader)
        }
        if !isThere { shortfall.someAreGone = true }
    }

    private struct FetchJob {
        let target: FetchTarget
        let message: FetchedMessage
        let plan: FetchPlan
        let pieces: FetchPieces
    }

    /// A message all of whose wanted octets are in `octets`.
    private func write(_ job: FetchJob, _ octets: ByteBuffer) async throws {
        beginFetch(at: job.target.position, uid: job.target.row.uid)
        for (item, piece) in zip(job.plan.items, job.pieces.pieces) {
            switch piece {
            case .none:
                print(item.attribute, job.target.row, job.message)
            case .missing:
                writeMissing(item)
            case .octets(let range):
                guard let label = item.source?.label else { continue }
                let slice = octets.slice(range, from: job.pieces.span)
                printer.beginFetchOctets(label, count: UInt64(slice.readableBytes))
                try await write(slice)
            case .fields(let range, let fields):
                writeFields(fields, of: octets.slice(range, from: job.pieces.span), item)
            case .decoded(let range, var decoder):
                var decoded: [UInt8] = []
                decoder.decode(octets.slice(range, from: job.pieces.span).readableBytesView, into: &decoded)
                decoder.finish(into: &decoded)
                if case .binarySize(let part) = item.attribute {
                    printer.fetchBinarySize(part: part, UInt64(decoded.count))
                } else if let label = FetchOctetsLabel(item.attribute, isLiteral8: decoded.contains(0)) {
                    printer.fetchOctets(label, ByteBuffer(bytes: decoded).clamped(to: item.source?.partial))
                }
            }
        }
        endFetch(job.target, job.plan)
    }

    private func writeFields(_ fields: HeaderFieldChoice, of header: ByteBuffer, _ item: FetchPlan.Item) {
        guard let label = item.source?.label else { return }
        let chosen = header.ranges(of: fields).clamped(to: item.source?.partial)
        printer.beginFetchOctets(label, count: UInt64(chosen.reduce(0) { $0 + $1.count }))
        for range in chosen { printer.raw(header.slice(range, from: 0..<header.readableBytes)) }
    }

    private func writeMissing(_ item: FetchPlan.Item) {
        if case .binarySize(let part) = item.attribute {
            printer.fetchBinarySize(part: part, 0)
        } else if let label = item.source?.label {
            printer.fetchOctets(label, nil)
        }
    }

    /// A message of which much is wanted: each attribute streams by itself. False when the message is gone.
    private func writeLarge(_ job: FetchJob, _ reader: MessageReader) async throws -> Bool {
        // Whether it is still there must be known before the answer begins.
        let probe = job.pieces.span.lowerBound
        guard try await reader.read(uid: job.message.uid, probe..<probe + 1) != nil else { return false }
        beginFetch(at: job.target.position, uid: job.target.row.uid)
        do {
            for (item, piece) in zip(job.plan.items, job.pieces.pieces) {
                try await writeLarge(piece, item, job, reader)
            }
        } catch let end as SessionEnd {
            throw end
        } catch {
            // The answer is half written: only the end of the connection tells the client so.
            logger.warning("answer broken off", metadata: ["transaction": "\(transaction)", "error": "\(error)"])
            throw SessionEnd.clientGone
        }
        endFetch(job.target, job.plan)
        return true
    }

    private func writeLarge(
        _ piece: FetchPieces.Piece, _ item: FetchPlan.Item, _ job: FetchJob, _ reader: MessageReader
    ) async throws {
        let uid = job.message.uid
        let gone = MessagingError(.failed, "the message vanished while it was read")
        switch piece {
        case .none: print(item.attribute, job.target.row, job.message)
        case .missing: writeMissing(item)
        case .octets(let range):
            guard let label = item.source?.label else { return }
            printer.beginFetchOctets(label, count: UInt64(range.count))
            guard try await reader.stream(uid: uid, range, promised: true, { try await write($0) }) else { throw gone }
        case .fields(let range, let fields):
            // Fields are chosen in memory: a header is never larger than its limit.
            guard let header = try await reader.read(uid: uid, range) else { throw gone }
            writeFields(fields, of: header, item)
        case .decoded(let range, let decoder):
            var total: UInt64 = 0
            var binary = false
            try await decode(range, decoder, uid, reader) { octets in
                total += UInt64(octets.count)
                binary = binary || octets.contains(0)
            }
            if case .binarySize(let part) = item.attribute {
                printer.fetchBinarySize(part: part, total)
                return
            }
            guard let label = FetchOctetsLabel(item.attribute, isLiteral8: binary) else { return }
            let wanted = item.source?.partial?.clamped(to: total) ?? 0..<total
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

extension FetchedMessage {
    /// Octets of the message that came with it; nil when these did not.
    func octets(_ range: Range<Int>) -> ByteBuffer? {
        if range.isEmpty { return ByteBuffer() }
        guard let known = whole ?? header else { return nil }
        return known.getSlice(at: known.readerIndex + range.lowerBound, length: range.count)
    }
}
