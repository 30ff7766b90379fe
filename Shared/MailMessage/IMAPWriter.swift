/// Prints ENVELOPE and BODYSTRUCTURE in IMAP's syntax (RFC 9051, 7.5.2 and 9; valid for RFC 3501 too), without
/// recursion, since messages nest as deep as their senders like.
struct IMAPWriter {
    private(set) var octets: [UInt8] = []

    /// Beyond this, a literal serves readers better than a quoted string.
    private static let quotedLimit = 512

    init() {
        octets.reserveCapacity(1024)
    }

    // MARK: Strings

    mutating func text(_ text: StaticString) {
        text.withUTF8Buffer { octets.append(contentsOf: $0) }
    }

    mutating func number(_ number: Int) {
        octets.append(contentsOf: String(number).utf8)
    }

    /// A name that IMAP compares in any case, in upper case as its documents write them.
    mutating func name(_ value: String) {
        string(value.utf8.map { $0 >= 0x61 && $0 <= 0x7A ? $0 & 0xDF : $0 })
    }

    /// A quoted string where its syntax allows, else a literal. NUL cannot travel in either and becomes `?`.
    mutating func string(_ value: [UInt8]) {
        var isQuotable = value.count <= Self.quotedLimit
        var hasSpecials = false
        for octet in value {
            // CR, LF, NUL and what is beyond US-ASCII need a literal.
            if octet >= 0x80 || octet == ASCII.cr || octet == ASCII.lf || octet == 0 { isQuotable = false }
            if octet == ASCII.quote || octet == ASCII.backslash { hasSpecials = true }
        }
        guard isQuotable else { return literal(value) }
        octets.append(ASCII.quote)
        if hasSpecials {
            for octet in value {
                if octet == ASCII.quote || octet == ASCII.backslash { octets.append(ASCII.backslash) }
                octets.append(octet)
            }
        } else {
            octets.append(contentsOf: value)
        }
        octets.append(ASCII.quote)
    }

    private mutating func literal(_ value: [UInt8]) {
        text("{")
        number(value.count)
        text("}\r\n")
        octets.append(contentsOf: value.lazy.map { $0 == 0 ? ASCII.question : $0 })
    }

    mutating func nstring(_ value: [UInt8]?) {
        if let value { string(value) } else { text("NIL") }
    }

    // MARK: Envelopes

    mutating func envelope(_ envelope: Envelope) {
        text("(")
        nstring(envelope.date)
        text(" ")
        nstring(envelope.subject)
        // RFC 9051, 7.5.2: the server fills Sender and Reply-To from From when the message lacks them.
        addresses(envelope.from)
        addresses(envelope.sender.isEmpty ? envelope.from : envelope.sender)
        addresses(envelope.replyTo.isEmpty ? envelope.from : envelope.replyTo)
        addresses(envelope.to)
        addresses(envelope.cc)
        addresses(envelope.bcc)
        text(" ")
        nstring(envelope.inReplyTo)
        text(" ")
        nstring(envelope.messageID)
        text(")")
    }

    private mutating func addresses(_ list: [MailAddress]) {
        guard !list.isEmpty else { return text(" NIL") }
        text(" (")
        for address in list {
            text("(")
            nstring(address.name)
            text(" ")
            nstring(address.route)
            text(" ")
            nstring(address.mailbox)
            text(" ")
            nstring(address.host)
            text(")")
        }
        text(")")
    }

    // MARK: Structures

    mutating func bodyStructure(_ index: MIMEIndex, extended: Bool) {
        var containers: [Int] = []
        for (position, part) in index.parts.enumerated() {
            while let container = containers.last, index.parts[container].subtreeEnd <= position {
                close(index.parts[container], extended)
                containers.removeLast()
            }
            text("(")
            switch part.structure {
            case .multipart:
                containers.append(position)
            case .message:
                basic(part)
                text(" ")
                envelope(part.envelope ?? Envelope())
                text(" ")
                containers.append(position)
            case .leaf:
                basic(part)
                if part.isText {
                    text(" ")
                    number(part.lineCount)
                }
                if extended { extensions(part, md5: true) }
                text(")")
            }
        }
        while let container = containers.popLast() { close(index.parts[container], extended) }
    }

    private mutating func close(_ part: MIMEPart, _ extended: Bool) {
        switch part.structure {
        case .multipart:
            text(" ")
            name(part.subtype)
            if extended {
                text(" ")
                parameters(part.parameters)
                extensions(part, md5: false)
            }
        case .message:
            text(" ")
            number(part.lineCount)
            if extended { extensions(part, md5: true) }
        case .leaf:
            break
        }
        text(")")
    }

    /// body-fields, with the media type in front.
    private mutating func basic(_ part: MIMEPart) {
        name(part.type)
        text(" ")
        name(part.subtype)
        text(" ")
        parameters(part.parameters)
        text(" ")
        nstring(part.contentID)
        text(" ")
        nstring(part.description)
        text(" ")
        name(part.encoding.token)
        text(" ")
        number(part.body.count)
    }

    private mutating func extensions(_ part: MIMEPart, md5: Bool) {
        if md5 {
            text(" ")
            nstring(part.md5)
        }
        text(" ")
        if let disposition = part.disposition {
            text("(")
            name(disposition.type)
            text(" ")
            parameters(disposition.parameters)
            text(")")
        } else {
            text("NIL")
        }
        text(" ")
        switch part.languages.count {
        case 0: text("NIL")
        case 1: string(part.languages[0])
        case _:
            text("(")
            for (position, language) in part.languages.enumerated() {
                if position > 0 { text(" ") }
                string(language)
            }
            text(")")
        }
        text(" ")
        nstring(part.location)
    }

    private mutating func parameters(_ parameters: [MIMEParameter]) {
        guard !parameters.isEmpty else { return text("NIL") }
        text("(")
        for (position, parameter) in parameters.enumerated() {
            if position > 0 { text(" ") }
            name(parameter.name)
            text(" ")
            string(parameter.value)
        }
        text(")")
    }
}
