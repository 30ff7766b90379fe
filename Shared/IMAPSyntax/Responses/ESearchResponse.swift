/// The answer to SEARCH RETURN and SORT RETURN, to every SEARCH of IMAP4rev2, and to ESEARCH (RFC 9051, 7.3.4; RFC 4731;
/// RFC 5267; RFC 7377).
public struct ESearchResponse: Hashable, Sendable {
    /// The tag of the command that it answers.
    public var tag: String?
    /// The mailbox that was searched; in the answer to ESEARCH only (RFC 7377, 2.1).
    public var mailbox: MailboxName?
    /// The mailbox's UIDVALIDITY; in the answer to ESEARCH only.
    public var uidValidity: UInt32?
    /// Whether the numbers are unique identifiers.
    public var numbering: Numbering
    /// What was found, in order.
    public var data: [ESearchDatum]

    /// An ESEARCH response.
    public init(
        tag: String?, mailbox: MailboxName? = nil, uidValidity: UInt32? = nil, numbering: Numbering,
        data: [ESearchDatum]
    ) {
        self.tag = tag
        self.mailbox = mailbox
        self.uidValidity = uidValidity
        self.numbering = numbering
        self.data = data
    }
}

/// A value of an ESEARCH response.
public enum ESearchDatum: Hashable, Sendable {
    case min(UInt32)
    case max(UInt32)
    case count(UInt32)
    /// In the order of the result. Never empty: without a match ALL is left out.
    case all(SequenceSet)
    /// The greatest modification sequence of what was found (RFC 4731, 3.2).
    case modificationSequence(UInt64)
    /// The part that was asked for, and what of the result lies in it, in order; nil when nothing does (RFC 9394, 3.1).
    case partial(ResultPartial, SequenceSet?)
    /// How relevant the messages are, from 1 to 100, in the order of the result (RFC 6203, 4).
    case relevancy([UInt32])
    /// Messages that come into a result that is kept up to date (RFC 5267, 4.3.3).
    case addTo([ContextChange])
    /// Messages that leave it (RFC 5267, 4.3.4).
    case removeFrom([ContextChange])
    case other(String, ExtensionValue)
}

extension ESearchResponse {
    /// `[search-correlator] [SP "UID"] *(SP search-return-data)`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ESearchResponse {
        var response = ESearchResponse(tag: nil, numbering: .sequenceNumbers, data: [])
        if cursor.isNext(0x20), cursor.peek(1) == UInt8(ascii: "(") {
            cursor.advance(2)
            repeat { try response.correlator(&cursor) } while cursor.skip(0x20)
            try cursor.closeParenthesis()
        }
        while cursor.skip(0x20) {
            if response.data.isEmpty, response.numbering == .sequenceNumbers, cursor.skip(word: "UID") {
                response.numbering = .uids
                continue
            }
            guard response.data.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            let name = try cursor.word("a search result")
            try cursor.space()
            switch name {
            case "MIN": response.data.append(.min(try cursor.nonZeroNumber()))
            case "MAX": response.data.append(.max(try cursor.nonZeroNumber()))
            case "COUNT": response.data.append(.count(try cursor.number()))
            case "MODSEQ": response.data.append(.modificationSequence(try cursor.modificationSequence()))
            case "ALL": response.data.append(.all(try cursor.sequenceSet()))
            case "PARTIAL":
                try cursor.openParenthesis()
                let partial = try cursor.resultPartial()
                try cursor.space()
                let isEmpty = cursor.skip(word: "NIL")
                try response.data.append(.partial(partial, isEmpty ? nil : cursor.sequenceSet()))
                try cursor.closeParenthesis()
            case "RELEVANCY":
                response.data.append(
                    .relevancy(
                        try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
                            try cursor.nonZeroNumber("a score")
                        }))
            case "ADDTO": response.data.append(.addTo(try cursor.contextChanges()))
            case "REMOVEFROM": response.data.append(.removeFrom(try cursor.contextChanges()))
            default: response.data.append(.other(name, try cursor.extensionValue()))
            }
        }
        return response
    }

    /// `one-correlator`
    private mutating func correlator(_ cursor: inout ByteCursor) throws(SyntaxError) {
        let start = cursor.position
        let name = try cursor.word("TAG, MAILBOX or UIDVALIDITY")
        try cursor.space()
        switch name {
        case "TAG": tag = try cursor.astringText("a tag")
        case "MAILBOX": mailbox = try cursor.mailbox()
        case "UIDVALIDITY": uidValidity = try cursor.nonZeroNumber()
        default: throw cursor.failure("TAG, MAILBOX or UIDVALIDITY", at: start)
        }
    }
}
