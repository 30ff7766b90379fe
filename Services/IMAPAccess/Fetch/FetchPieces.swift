import IMAPSyntax
import MailMessage
import NIOCore

/// What of one message a FETCH wants, as ranges of its stored octets.
struct FetchPieces: Sendable {
    enum Piece: Sendable {
        /// No octets are needed.
        case none
        /// No such part: NIL.
        case missing
        case octets(Range<Int>)
        /// Of the header in these octets only the chosen fields.
        case fields(Range<Int>, HeaderFieldChoice)
        /// These octets, decoded (RFC 3516).
        case decoded(Range<Int>, TransferDecoder)

        var range: Range<Int>? {
            switch self {
            case .none, .missing: nil
            case .octets(let range), .fields(let range, _), .decoded(let range, _): range
            }
        }
    }

    /// In step with the plan's items.
    let pieces: [Piece]
    /// From the first octet that is wanted to the last.
    let span: Range<Int>

    /// Nil when a part's transfer encoding is not known (RFC 3516, 4.3: UNKNOWN-CTE).
    init?(_ plan: FetchPlan, _ message: StoredMessage) {
        var pieces: [Piece] = []
        pieces.reserveCapacity(plan.items.count)
        var span: Range<Int>?
        for item in plan.items {
            guard let source = item.source else {
                pieces.append(.none)
                continue
            }
            let piece: Piece
            switch source.kind {
            case .text(let section):
                if let range = message.range(of: section) {
                    if let fields = source.fields {
                        piece = .fields(range, fields)
                    } else {
                        piece = .octets(range.clamped(to: source.partial))
                    }
                } else {
                    piece = .missing
                }
            case .binary(let part), .binarySize(let part):
                if let (encoding, range) = message.binaryPart(part) {
                    guard let decoder = TransferDecoder(encoding) else { return nil }
                    piece = .decoded(range, decoder)
                } else {
                    piece = .missing
                }
            }
            pieces.append(piece)
            if let range = piece.range, !range.isEmpty {
                span = span.map { min($0.lowerBound, range.lowerBound)..<max($0.upperBound, range.upperBound) } ?? range
            }
        }
        self.pieces = pieces
        self.span = span ?? 0..<0
    }
}

extension Range where Bound == Int {
    /// The part of this range that the client asked for; empty beyond the end (RFC 9051, 6.4.5).
    func clamped(to partial: PartialRange?) -> Range<Int> {
        guard let partial else { return self }
        let wanted = partial.clamped(to: UInt64(count))
        return lowerBound + Int(wanted.lowerBound)..<lowerBound + Int(wanted.upperBound)
    }
}

extension ByteBuffer {
    /// The octets that the client asked for.
    func clamped(to partial: PartialRange?) -> ByteBuffer {
        guard let partial else { return self }
        let wanted = partial.clamped(to: UInt64(readableBytes))
        return getSlice(at: readerIndex + Int(wanted.lowerBound), length: wanted.count) ?? ByteBuffer()
    }

    /// The octets of `range`, when this buffer holds those of `span`.
    func slice(_ range: Range<Int>, from span: Range<Int>) -> ByteBuffer {
        getSlice(at: readerIndex + range.lowerBound - span.lowerBound, length: range.count) ?? ByteBuffer()
    }

    /// Where the chosen fields lie in the header that this buffer holds.
    func ranges(of fields: HeaderFieldChoice) -> [Range<Int>] {
        withUnsafeReadableBytes { header in
            header.withMemoryRebound(to: UInt8.self) { fields.ranges(in: $0) }
        }
    }

    /// The chosen fields of the header that this buffer holds.
    func chosen(_ fields: HeaderFieldChoice) -> ByteBuffer {
        var chosen = ByteBuffer()
        for range in ranges(of: fields) { chosen.writeImmutableBuffer(slice(range, from: 0..<readableBytes)) }
        return chosen
    }
}

extension [Range<Int>] {
    /// The octets that the client asked for, of those in these ranges one after the other.
    func clamped(to partial: PartialRange?) -> [Range<Int>] {
        guard let partial else { return self }
        let wanted = partial.clamped(to: UInt64(reduce(0) { $0 + $1.count }))
        var position: UInt64 = 0
        return compactMap { range in
            let here = position..<position + UInt64(range.count)
            position = here.upperBound
            let overlap = here.clamped(to: wanted)
            guard !overlap.isEmpty else { return nil }
            let start = range.lowerBound + Int(overlap.lowerBound - here.lowerBound)
            return start..<start + overlap.count
        }
    }
}
