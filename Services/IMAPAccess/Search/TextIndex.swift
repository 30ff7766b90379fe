import Contracts
import Messaging
import NIOCore

/// What the index of a mailbox's texts says of a search's needles.
struct TextIndex: Sendable {
    /// The bits of each needle's signature, as positions in `rows`; empty for one that is too short to have any.
    private let positions: [Range<Int>]
    private let rows: [UInt32]

    /// Nil when the index cannot tell anything of these needles.
    init?(_ needles: [TextNeedle]) {
        var positions: [Range<Int>] = []
        var rows: [UInt32] = []
        for needle in needles.prefix(NeedleSet.capacity) {
            let own = needle.signatureRows
            guard rows.count + own.count <= TextSegment.rowLimit else { break }
            positions.append(rows.count..<rows.count + own.count)
            rows += own.map { UInt32($0) }
        }
        guard !rows.isEmpty else { return nil }
        self.positions = positions
        self.rows = rows
    }

    /// Gives each message of the index with the needles that it surely lacks.
    func read(_ reader: MessageReader, _ take: (UInt32, NeedleSet) -> Void) async throws {
        var request = TextIndexRequest()
        request.accountID = reader.accountID
        request.mailboxID = reader.mailboxID
        request.rows = rows
        let context = CallContext(transaction: reader.transaction, timeout: reader.timeout)
        for try await (page, payload) in try await reader.store.textIndex(request, context) {
            try Task.checkCancellation()
            guard payload.count == 2 else { throw Refusal.serverBug }
            var (uids, bits) = (payload[0], payload[1])
            for _ in 0..<page.segments {
                guard let members = uids.readSlice(length: TextSegment.uidOctets),
                    let own = bits.readSlice(length: rows.count * TextSegment.rowOctets)
                else { throw Refusal.serverBug }
                read(members, own, take)
            }
        }
    }

    /// One segment.
    private func read(_ uids: ByteBuffer, _ rows: ByteBuffer, _ take: (UInt32, NeedleSet) -> Void) {
        rows.withUnsafeReadableBytes { rows in
            uids.withUnsafeReadableBytes { uids in
                for message in 0..<TextSegment.messages {
                    let (octet, bit) = (message / 8, UInt8(1) << UInt8(message % 8))
                    var absent = NeedleSet()
                    for (needle, positions) in positions.enumerated()
                    where positions.contains(where: { rows[$0 * TextSegment.rowOctets + octet] & bit == 0 }) {
                        absent.insert(needle)
                    }
                    let uid = uids.loadUnaligned(fromByteOffset: 4 * message, as: UInt32.self)
                    take(UInt32(littleEndian: uid), absent)
                }
            }
        }
    }

    /// Adds messages to the index. That it fails is no harm: the next search makes the segment again.
    static func add(_ segment: [ByteBuffer], _ reader: MessageReader) async {
        var request = AddTextSegmentRequest()
        request.accountID = reader.accountID
        request.mailboxID = reader.mailboxID
        let context = CallContext(transaction: reader.transaction, timeout: reader.timeout)
        _ = try? await reader.store.addTextSegment(request, payload: segment, context)
    }
}

/// Some of a search's needles, by their positions. Only the first of many are kept.
struct NeedleSet: Sendable {
    static let capacity = 64
    private var bits: UInt64 = 0

    /// As many as can be.
    static let all = NeedleSet(bits: .max)

    init() {}
    private init(bits: UInt64) { self.bits = bits }

    var isEmpty: Bool { bits == 0 }
    mutating func insert(_ needle: Int) { bits |= 1 << UInt64(needle) }
    func contains(_ needle: Int) -> Bool { needle < Self.capacity && bits >> UInt64(needle) & 1 != 0 }
}
