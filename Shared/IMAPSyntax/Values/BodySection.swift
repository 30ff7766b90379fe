/// A part of a message: `1.2.HEADER.FIELDS (Subject)` (RFC 9051, 6.4.5.1 and 9: `section-spec`).
public struct BodySection: Hashable, Sendable {
    /// The part's numbers from the outside in; empty for the message itself.
    public var part: [UInt32]
    /// Which text of the part; nil for all of it.
    public var text: SectionText?

    /// A section of a message.
    public init(part: [UInt32] = [], text: SectionText? = nil) {
        self.part = part
        self.text = text
    }

    /// The whole message: `BODY[]`.
    public static let whole = BodySection()
}

/// What of a message or part is meant (RFC 9051, 9: `section-text`).
public enum SectionText: Hashable, Sendable {
    case header
    /// `HEADER.FIELDS`: only these fields, named as the client wrote them, for the answer repeats them.
    case headerFields([String])
    /// `HEADER.FIELDS.NOT`: all fields but these.
    case headerFieldsNot([String])
    case text
    /// The MIME header of a part; never of the message itself.
    case mime
}

/// Octets `offset ..< offset + count` (RFC 9051, 9: `partial`).
public struct PartialRange: Hashable, Sendable {
    /// The first octet, counted from 0.
    public var offset: UInt64
    /// How many octets at most; never 0.
    public var count: UInt64

    /// A range of octets; nil when `count` is 0.
    public init?(offset: UInt64, count: UInt64) {
        guard count > 0 else { return nil }
        self.offset = offset
        self.count = count
    }

    /// The part of this range that lies within `total` octets; empty when it begins beyond the end.
    public func clamped(to total: UInt64) -> Range<UInt64> {
        let start = min(offset, total)
        return start..<(start + min(count, total - start))
    }
}
