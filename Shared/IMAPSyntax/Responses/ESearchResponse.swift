/// The answer to SEARCH RETURN and SORT RETURN, and to every SEARCH of IMAP4rev2 (RFC 9051, 7.3.4; RFC 4731; RFC 5267).
public struct ESearchResponse: Hashable, Sendable {
    /// The tag of the command that it answers.
    public var tag: String?
    /// Whether the numbers are unique identifiers.
    public var numbering: Numbering
    /// What was found, in order.
    public var data: [ESearchDatum]

    /// An ESEARCH response.
    public init(tag: String?, numbering: Numbering, data: [ESearchDatum]) {
        self.tag = tag
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
    case other(String, ExtensionValue)
}

extension ESearchResponse {
    /// `[search-correlator] [SP "UID"] *(SP search-return-data)`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> ESearchResponse {
        var response = ESearchResponse(tag: nil, numbering: .sequenceNumbers, data: [])
        if cursor.isNext(0x20), cursor.peek(1) == UInt8(ascii: "(") {
            cursor.advance(2)
            guard cursor.skip(word: "TAG") else { throw cursor.failure("TAG") }
            try cursor.space()
            response.tag = try cursor.astringText("a tag")
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
            default: response.data.append(.other(name, try cursor.extensionValue()))
            }
        }
        return response
    }
}
