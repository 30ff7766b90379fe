import NIOCore

/// What octets of a message a FETCH response names, as it is printed: once for all messages.
public struct FetchOctetsLabel: Hashable, Sendable {
    fileprivate let printed: ByteBuffer
    /// Whether the octets hold NUL (RFC 3516, 4.2; RFC 9051, 7.5.2).
    fileprivate let isLiteral8: Bool

    private init(isLiteral8: Bool = false, _ print: (inout ResponsePrinter) -> Void) {
        var printer = ResponsePrinter()
        print(&printer)
        printed = printer.take()
        self.isLiteral8 = isLiteral8
    }

    /// `RFC822`
    public static let rfc822 = FetchOctetsLabel { $0.text("RFC822") }
    /// `RFC822.HEADER`
    public static let rfc822Header = FetchOctetsLabel { $0.text("RFC822.HEADER") }
    /// `RFC822.TEXT`
    public static let rfc822Text = FetchOctetsLabel { $0.text("RFC822.TEXT") }

    /// `BODY[1.TEXT]`, with the first octet's number where the client asked for a part of it.
    public static func section(_ section: BodySection, origin: UInt64?) -> FetchOctetsLabel {
        FetchOctetsLabel {
            $0.text("BODY")
            $0.section(section)
            $0.origin(origin)
        }
    }

    /// `BINARY[1]`; `isLiteral8` when the octets hold NUL.
    public static func binary(part: [UInt32], origin: UInt64?, isLiteral8: Bool) -> FetchOctetsLabel {
        FetchOctetsLabel(isLiteral8: isLiteral8) {
            $0.text("BINARY")
            $0.binarySection(part)
            $0.origin(origin)
        }
    }

    /// The label of the answer to a fetch attribute; nil for one that is not answered with a message's octets.
    public init?(_ attribute: FetchAttribute, isLiteral8: Bool = false) {
        switch attribute {
        case .section(let section, _, let partial): self = .section(section, origin: partial?.offset)
        case .binary(let part, _, let partial):
            self = .binary(part: part, origin: partial?.offset, isLiteral8: isLiteral8)
        case .rfc822: self = .rfc822
        case .rfc822Header: self = .rfc822Header
        case .rfc822Text: self = .rfc822Text
        case .envelope, .flags, .internalDate, .uid, .rfc822Size, .body, .bodyStructure, .binarySize,
            .modificationSequence, .emailID, .threadID, .saveDate, .preview:
            return nil
        }
    }
}

/// FETCH responses (RFC 9051, 7.5.2): `beginFetch`, any items, `endFetch`. The printer puts the spaces.
extension ResponsePrinter {
    /// `* 12 FETCH (`
    public mutating func beginFetch(_ sequenceNumber: UInt32) {
        text("* ")
        number(sequenceNumber)
        text(" FETCH (")
        needsSpace = false
    }

    /// `* 25996 UIDFETCH (` (RFC 9586, 3.3)
    public mutating func beginUIDFetch(_ uid: UInt32) {
        text("* ")
        number(uid)
        text(" UIDFETCH (")
        needsSpace = false
    }

    /// `)`
    public mutating func endFetch() {
        text(")\r\n")
        needsSpace = false
    }

    mutating func item(_ name: StaticString) {
        if needsSpace { space() }
        needsSpace = true
        text(name)
    }

    /// `UID 827`
    public mutating func fetchUID(_ uid: UInt32) {
        item("UID ")
        number(uid)
    }

    /// `FLAGS (\Seen)` from bits: bit i of `keywordBits` stands for `keywords[i]`.
    public mutating func fetchFlags(_ flags: SystemFlags, keywordBits: UInt64 = 0, keywords: [String] = []) {
        item("FLAGS (")
        var isFirst = true
        func separate() {
            if !isFirst { space() }
            isFirst = false
        }
        func system(_ flag: SystemFlags, _ name: StaticString) {
            guard flags.contains(flag) else { return }
            separate()
            text(name)
        }
        system(.seen, "\\Seen")
        system(.answered, "\\Answered")
        system(.flagged, "\\Flagged")
        system(.deleted, "\\Deleted")
        system(.draft, "\\Draft")
        system(.recent, "\\Recent")
        var bits = keywordBits
        while bits != 0 {
            let index = bits.trailingZeroBitCount
            bits &= bits - 1
            guard index < keywords.count else { break }
            separate()
            text(keywords[index])
        }
        octet(UInt8(ascii: ")"))
    }

    /// `FLAGS (\Seen)`
    public mutating func fetchFlags(_ flags: [Flag]) {
        item("FLAGS ")
        self.flags(flags)
    }

    /// `MODSEQ (624140003)` (RFC 7162, 3.1.4.1)
    public mutating func fetchModificationSequence(_ value: UInt64) {
        item("MODSEQ (")
        number(value)
        octet(UInt8(ascii: ")"))
    }

    /// `INTERNALDATE "17-Jul-1996 02:44:25 -0700"`
    public mutating func fetchInternalDate(_ date: DateTime) {
        item("INTERNALDATE ")
        dateTime(date)
    }

    /// INTERNALDATE of a time as the system keeps it, in UTC. A time beyond the years that IMAP can write becomes 1970.
    public mutating func fetchInternalDate(microsecondsSince1970 microseconds: Int64) {
        guard
            let date = DateTime(microsecondsSince1970: microseconds) ?? DateTime(microsecondsSince1970: 0)
        else { return }
        fetchInternalDate(date)
    }

    /// `RFC822.SIZE 4423`
    public mutating func fetchSize(_ octets: UInt64) {
        item("RFC822.SIZE ")
        number(octets)
    }

    /// ENVELOPE as it is stored, in IMAP's own syntax.
    public mutating func fetchEnvelope(_ stored: ByteBuffer) {
        item("ENVELOPE ")
        raw(stored)
    }

    /// BODY without extension data as it is stored.
    public mutating func fetchBody(_ stored: ByteBuffer) {
        item("BODY ")
        raw(stored)
    }

    /// BODYSTRUCTURE as it is stored.
    public mutating func fetchBodyStructure(_ stored: ByteBuffer) {
        item("BODYSTRUCTURE ")
        raw(stored)
    }

    /// `BINARY.SIZE[1] 4423`
    public mutating func fetchBinarySize(part: [UInt32], _ size: UInt64) {
        item("BINARY.SIZE")
        binarySection(part)
        space()
        number(size)
    }

    /// Octets of a message as a whole; NIL when there is no such part.
    public mutating func fetchOctets(_ label: FetchOctetsLabel, _ octets: ByteBuffer?) {
        guard let octets else {
            self.label(label)
            text(" NIL")
            return
        }
        beginFetchOctets(label, count: UInt64(octets.readableBytes.magnitude))
        raw(octets)
    }

    /// The head of octets that the caller writes or streams next: exactly `count` of them.
    public mutating func beginFetchOctets(_ label: FetchOctetsLabel, count: UInt64) {
        self.label(label)
        if label.isLiteral8 { text(" ~{") } else { text(" {") }
        number(count)
        text("}\r\n")
    }

    private mutating func label(_ label: FetchOctetsLabel) {
        item("")
        raw(label.printed)
    }

    fileprivate mutating func origin(_ origin: UInt64?) {
        guard let origin else { return }
        octet(UInt8(ascii: "<"))
        number(origin)
        octet(UInt8(ascii: ">"))
    }

    /// One item given as a value. NUL in BINARY's octets makes them a literal8.
    mutating func fetch(_ datum: FetchDatum) {
        switch datum {
        case .flags(let flags): fetchFlags(flags)
        case .uid(let uid): fetchUID(uid)
        case .internalDate(let date): fetchInternalDate(date)
        case .rfc822Size(let size): fetchSize(size)
        case .envelope(let stored): fetchEnvelope(stored)
        case .body(let stored): fetchBody(stored)
        case .bodyStructure(let stored): fetchBodyStructure(stored)
        case .section(let section, let origin, let octets): fetchOctets(.section(section, origin: origin), octets)
        case .rfc822(let octets): fetchOctets(.rfc822, octets)
        case .rfc822Header(let octets): fetchOctets(.rfc822Header, octets)
        case .rfc822Text(let octets): fetchOctets(.rfc822Text, octets)
        case .binary(let part, let origin, let octets):
            let hasNUL = octets?.readableBytesView.contains(0) ?? false
            fetchOctets(.binary(part: part, origin: origin, isLiteral8: hasNUL), octets)
        case .binarySize(let part, let size): fetchBinarySize(part: part, size)
        case .modificationSequence(let value): fetchModificationSequence(value)
        case .emailID(let identifier): fetchEmailID(identifier)
        case .threadID(let identifier): fetchThreadID(identifier)
        case .saveDate(let date): fetchSaveDate(date)
        case .preview(let text): fetchPreview(text)
        case .other(let name, let value):
            item("")
            text(name)
            space()
            raw(value)
        }
    }
}
