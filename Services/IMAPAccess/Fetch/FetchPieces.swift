import IMAPSyntax
import MailMessage
import NIOCore

/// What of one message a FETCH wants, as ranges of its stored octets.
struct FetchPieces: Sendable {
    enum Piece: Sendable {
        /// No such part: NIL.
        case missing
        /// These octets, or of the header in them only the chosen fields.
        case octets(Range<Int>, fields: (names: [[UInt8]], excluding: Bool)?)
        /// These octets, decoded (RFC 3516).
        case decoded(Range<Int>, TransferDecoder)

        var range: Range<Int>? {
            switch self {
            case .missing: nil
            case .octets(let range, _), .decoded(let range, _): range
            }
        }
    }

    /// By the position of the attribute; nil for those that need no octets.
    let pieces: [Piece?]
    /// From the first octet that is wanted to the last.
    let span: Range<Int>

    /// Nil when a part's transfer encoding is not known (RFC 3516, 4.3: UNKNOWN-CTE).
    init?(_ attributes: [FetchAttribute], _ message: StoredMessage) {
        var pieces: [Piece?] = []
        pieces.reserveCapacity(attributes.count)
        var span: Range<Int>?
        for attribute in attributes {
            guard let source = SectionSource(attribute) else {
                pieces.append(nil)
                continue
            }
            let piece: Piece
            switch source.kind {
            case .text(let section):
                guard let range = message.range(of: section) else {
                    pieces.append(.missing)
                    continue
                }
                if let fields = section.text?.chosenFields {
                    piece = .octets(range, fields: fields)
                } else {
                    piece = .octets(range.clamped(to: source.partial), fields: nil)
                }
            case .binary(let part), .binarySize(let part):
                guard let (encoding, range) = message.binaryPart(part) else {
                    pieces.append(.missing)
                    continue
                }
                guard let decoder = TransferDecoder(encoding) else { return nil }
                piece = .decoded(range, decoder)
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
}
