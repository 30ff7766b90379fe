import NIOCore

/// The grammar of whole responses (RFC 9051, 9: `response`).
enum ResponseGrammar {
    static func response(_ cursor: inout ByteCursor, awaitsChallenge: Bool) throws(SyntaxError) -> Response {
        let response: Response
        if cursor.skip(UInt8(ascii: "+")) {
            response = .continuation(try continuation(&cursor, awaitsChallenge: awaitsChallenge))
        } else if cursor.isNext(UInt8(ascii: "*")), cursor.peek(1) == 0x20 {
            cursor.advance(2)
            response = .untagged(try untagged(&cursor))
        } else {
            let tag = try CommandGrammar.tag(&cursor)
            try cursor.space()
            let start = cursor.position
            guard let condition = StatusCondition(rawValue: try cursor.word("OK, NO or BAD")),
                condition != .bye, condition != .preauth
            else { throw cursor.failure("OK, NO or BAD", at: start) }
            response = .tagged(tag, try status(condition, &cursor))
        }
        try cursor.endOfLine()
        return response
    }

    /// `continue-req` behind `+`. A server that leaves out the space is understood.
    private static func continuation(
        _ cursor: inout ByteCursor, awaitsChallenge: Bool
    ) throws(SyntaxError) -> ContinuationRequest {
        _ = cursor.skip(0x20)
        guard awaitsChallenge else { return .text(try responseText(&cursor)) }
        let start = cursor.position
        let range = cursor.skip(while: .atom)
        guard let challenge = Base64.decode(cursor.slice(range)) else {
            throw cursor.failure("a challenge in base64", at: start)
        }
        return .challenge(challenge)
    }

    // MARK: Status responses

    private static func status(
        _ condition: StatusCondition, _ cursor: inout ByteCursor
    ) throws(SyntaxError) -> StatusResponse {
        // Servers are known to end a line behind the condition.
        if !cursor.isAtEndOfLine { try cursor.space() }
        let text = try responseText(&cursor)
        return StatusResponse(condition, text.code, text.text)
    }

    /// `resp-text`
    private static func responseText(_ cursor: inout ByteCursor) throws(SyntaxError) -> ResponseText {
        var code: ResponseCode?
        if cursor.skip(UInt8(ascii: "[")) {
            code = try ResponseCode.parse(&cursor)
            try cursor.expect(UInt8(ascii: "]"), "\"]\"")
            _ = cursor.skip(0x20)
        }
        return ResponseText(code, cursor.humanText())
    }

    // MARK: Untagged responses

    private static func untagged(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        if let octet = cursor.peek(), octet &- 0x30 < 10 { return try numbered(&cursor) }
        let name = try cursor.word("a response")
        if let condition = StatusCondition(rawValue: name) { return .status(try status(condition, &cursor)) }
        switch name {
        case "CAPABILITY": return .capability(try capabilities(&cursor))
        case "ENABLED": return .enabled(try capabilities(&cursor))
        case "ID": return .id(try IDParameters.parse(&cursor))
        case "LIST": return .list(try MailboxListing.parse(&cursor))
        case "LSUB": return .lsub(try MailboxListing.parse(&cursor))
        case "NAMESPACE": return .namespace(try NamespaceResponse.parse(&cursor))
        case "STATUS": return try mailboxStatus(&cursor)
        case "QUOTA": return .quota(try QuotaResponse.parse(&cursor))
        case "ACL": return try acl(&cursor)
        case "LISTRIGHTS": return try listRights(&cursor)
        case "MYRIGHTS": return try myRights(&cursor)
        case "GENURLAUTH": return .authorizedURLs(try cursor.urls())
        case "URLFETCH": return .urlFetch(try FetchedURL.parseAll(&cursor))
        case "METADATA": return try metadata(&cursor)
        case "QUOTAROOT": return try QuotaResponse.parseRoots(&cursor)
        case "FLAGS":
            try cursor.space()
            return .flags(try cursor.flagList())
        case "SEARCH":
            let (numbers, modificationSequence) = try searchResult(&cursor)
            return .search(numbers, modificationSequence: modificationSequence)
        case "SORT":
            let (numbers, modificationSequence) = try searchResult(&cursor)
            return .sort(numbers, modificationSequence: modificationSequence)
        case "VANISHED":
            try cursor.space()
            let isEarlier = cursor.skip(UInt8(ascii: "("))
            if isEarlier {
                guard cursor.skip(word: "EARLIER") else { throw cursor.failure("EARLIER") }
                try cursor.closeParenthesis()
                try cursor.space()
            }
            return .vanished(try cursor.knownUIDs(), earlier: isEarlier)
        case "UIDBATCHES": return .uidBatches(try UIDBatchesResponse.parse(&cursor))
        case "THREAD": return .thread(try MessageThreads.parse(&cursor))
        case "ESEARCH": return .eSearch(try ESearchResponse.parse(&cursor))
        default: return .other(name, cursor.restOfResponse())
        }
    }

    /// `*(SP nz-number) [SP "(MODSEQ" SP mod-sequence-value ")"]` (RFC 7162, 7)
    private static func searchResult(
        _ cursor: inout ByteCursor
    ) throws(SyntaxError) -> (numbers: [UInt32], modificationSequence: UInt64?) {
        var numbers: [UInt32] = []
        while cursor.skip(0x20), !cursor.isAtEndOfLine {
            guard cursor.skip(UInt8(ascii: "(")) else {
                numbers.append(try cursor.nonZeroNumber())
                continue
            }
            guard cursor.skip(word: "MODSEQ") else { throw cursor.failure("MODSEQ") }
            try cursor.space()
            let modificationSequence = try cursor.modificationSequence()
            try cursor.closeParenthesis()
            return (numbers, modificationSequence)
        }
        return (numbers, nil)
    }

    /// `* 23 EXISTS` and its like
    private static func numbered(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        let number = try cursor.number()
        try cursor.space()
        let start = cursor.position
        let name = try cursor.word("EXISTS, RECENT, EXPUNGE, FETCH or UIDFETCH")
        switch name {
        case "EXISTS": return .exists(number)
        case "RECENT": return .recent(number)
        case "EXPUNGE": return .expunge(number)
        case "FETCH", "UIDFETCH":
            try cursor.space()
            let data = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
                try FetchDatum.parse(&cursor)
            }
            return name == "FETCH" ? .fetch(number, data) : .uidFetch(number, data)
        default: throw cursor.failure("EXISTS, RECENT, EXPUNGE, FETCH or UIDFETCH", at: start)
        }
    }

    private static func capabilities(_ cursor: inout ByteCursor) throws(SyntaxError) -> [Capability] {
        var capabilities: [Capability] = []
        while cursor.skip(0x20), !cursor.isAtEndOfLine {
            guard capabilities.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            capabilities.append(try cursor.capability())
        }
        return capabilities
    }

    /// `STATUS`; items that are not known here are passed over.
    private static func mailboxStatus(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        let values = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) -> StatusValue? in
            let name = try cursor.word("a status item")
            try cursor.space()
            guard let item = StatusItem(rawValue: name) else {
                _ = try cursor.extensionValue()
                return nil
            }
            switch item {
            case .mailboxID: return StatusValue(item, .objectID(try cursor.listedObjectID()))
            case .appendLimit:
                return StatusValue(item, cursor.skip(word: "NIL") ? .absent : .number(try cursor.number64()))
            case .messages, .recent, .uidNext, .uidValidity, .unseen, .deleted, .size, .deletedStorage,
                .highestModificationSequence:
                return StatusValue(item, try cursor.number64())
            }
        }
        return .mailboxStatus(mailbox, values.compactMap { $0 })
    }
}

extension ByteCursor {
    /// A text for a person, up to the end of the line.
    mutating func humanText() -> String {
        let start = position
        while let octet = peek(), octet != 0x0D, octet != 0x0A { advance() }
        return text(start..<position)
    }

    /// What is left before CRLF, with any literals in it.
    mutating func restOfResponse() -> ByteBuffer {
        let start = position
        while !isAtEnd { advance() }
        if position - start >= 2 { rewind(to: position - 2) }
        return slice(start..<position)
    }

    /// `tagged-ext-val`
    mutating func extensionValue() throws(SyntaxError) -> ExtensionValue {
        if isNext(UInt8(ascii: "(")) { return .list(try extensionList(depth: 0)) }
        let range = skip(while: [.astring, .list])
        guard !range.isEmpty else { throw failure("a number, a set or a list") }
        return .simple(text(range))
    }

    private mutating func extensionList(depth: Int) throws(SyntaxError) -> [ExtensionComponent] {
        guard depth < limits.nesting else { throw beyond(.nesting) }
        return try list(allowsEmpty: true) { cursor throws(SyntaxError) in
            if cursor.isNext(UInt8(ascii: "(")) { return .list(try cursor.extensionList(depth: depth + 1)) }
            return .string(try cursor.astring())
        }
    }

    /// A value of any shape, as it stands: a word, a string, a literal, or a list however deep. No recursion.
    mutating func rawValue() throws(SyntaxError) -> ByteBuffer {
        let start = position
        var depth = 0
        repeat {
            switch peek() {
            case UInt8(ascii: "("):
                guard depth < limits.nesting else { throw beyond(.nesting) }
                depth += 1
                advance()
            case UInt8(ascii: ")"):
                guard depth > 0 else { throw failure("a value") }
                depth -= 1
                advance()
            case UInt8(ascii: "\""): _ = try quoted()
            case UInt8(ascii: "{"): _ = try literal()
            case UInt8(ascii: "~") where peek(1) == UInt8(ascii: "{"): _ = try literal(allowsBinary: true)
            case 0x20 where depth > 0: advance()
            default:
                let range = skip(while: [.astring, .list])
                // A flag in a list has a backslash, which is no character of an atom.
                guard !range.isEmpty || skip(UInt8(ascii: "\\")) else { throw failure("a value") }
            }
        } while depth > 0
        return slice(start..<position)
    }
}
