import NIOCore

/// What commands and responses are written with. The two differ in how a literal goes out.
protocol SyntaxWriter {
    var buffer: ByteBuffer { get set }
    var encoding: SessionEncoding { get }
    /// Whether 8-bit octets may stand in a quoted string.
    var quotesUTF8: Bool { get }
    mutating func literal(_ octets: ByteBuffer)
}

extension SyntaxWriter {
    var quotesUTF8: Bool { encoding == .utf8 }

    @inline(__always)
    mutating func octet(_ octet: UInt8) { buffer.writeInteger(octet) }

    @inline(__always)
    mutating func space() { buffer.writeInteger(UInt8(ascii: " ")) }

    @inline(__always)
    mutating func text(_ text: StaticString) { buffer.writeStaticString(text) }

    mutating func text(_ text: String) { buffer.writeString(text) }

    mutating func endOfLine() { buffer.writeStaticString("\r\n") }

    mutating func number(_ value: some FixedWidthInteger & UnsignedInteger) { buffer.writeDecimal(UInt64(value)) }

    /// Members with single spaces between them.
    mutating func separated<Member>(_ members: some Sequence<Member>, _ write: (inout Self, Member) -> Void) {
        var isFirst = true
        for member in members {
            if !isFirst { space() }
            isFirst = false
            write(&self, member)
        }
    }

    /// Members in parentheses.
    mutating func list<Member>(_ members: some Sequence<Member>, _ write: (inout Self, Member) -> Void) {
        octet(UInt8(ascii: "("))
        separated(members, write)
        octet(UInt8(ascii: ")"))
    }

    // MARK: Strings

    /// An atom, a quoted string or a literal, whichever is the first that can hold the octets.
    mutating func astring(_ octets: ByteBuffer, bare: CharacterClass = .astring) {
        if octets.readableBytes > 0, octets.consists(of: bare), !octets.isNIL {
            var octets = octets
            buffer.writeBuffer(&octets)
        } else {
            string(octets)
        }
    }

    mutating func astring(_ text: String) { astring(ByteBuffer(string: text)) }

    /// A quoted string where it can hold the octets, else a literal.
    mutating func string(_ octets: ByteBuffer) {
        guard octets.fitsQuoted(allowingUTF8: quotesUTF8) else { return literal(octets) }
        octet(UInt8(ascii: "\""))
        for value in octets.readableBytesView {
            if value == UInt8(ascii: "\"") || value == UInt8(ascii: "\\") { octet(UInt8(ascii: "\\")) }
            octet(value)
        }
        octet(UInt8(ascii: "\""))
    }

    mutating func string(_ text: String) { string(ByteBuffer(string: text)) }

    /// A string, or NIL.
    mutating func nilOrString(_ octets: ByteBuffer?) {
        if let octets { string(octets) } else { text("NIL") }
    }

    /// A character in quotes, or NIL.
    mutating func delimiter(_ character: Character?) {
        guard let character else { return text("NIL") }
        string(String(character))
    }

    // MARK: Mailboxes and flags

    /// The octets of a name or pattern in the session's encoding.
    private func encoded(_ name: String) -> ByteBuffer {
        switch encoding {
        case .utf8: ByteBuffer(string: name)
        case .modifiedUTF7: ByteBuffer(bytes: ModifiedUTF7.encode(name))
        }
    }

    mutating func mailbox(_ name: MailboxName) { astring(encoded(name.value)) }

    /// A word and the mailboxes behind it (RFC 5465, 8: `one-or-more-mailbox`).
    mutating func mailboxes(_ word: StaticString, _ names: [MailboxName]) {
        text(word)
        space()
        list(names) { $0.mailbox($1) }
    }

    /// A prefix of names, always as a string (RFC 9051, 9: `namespace-descr`).
    mutating func mailboxPrefix(_ name: MailboxName) { string(encoded(name.value)) }

    mutating func pattern(_ pattern: MailboxPattern) { astring(encoded(pattern.value), bare: .list) }

    mutating func flags(_ flags: [Flag]) { list(flags) { $0.text($1.name) } }

    // MARK: Sets, dates, sections

    mutating func messageSet(_ messages: MessageSet) {
        switch messages {
        case .set(let set): sequenceSet(set)
        case .savedResult: octet(UInt8(ascii: "$"))
        }
    }

    mutating func sequenceSet(_ set: SequenceSet) {
        func number(_ number: SequenceNumber) {
            if number == .largest { octet(UInt8(ascii: "*")) } else { self.number(number.rawValue) }
        }
        var isFirst = true
        for range in set.ranges {
            if !isFirst { octet(UInt8(ascii: ",")) }
            isFirst = false
            number(range.first)
            if range.last != range.first {
                octet(UInt8(ascii: ":"))
                number(range.last)
            }
        }
    }

    /// `date-text`
    mutating func date(_ date: CalendarDate) {
        number(UInt(date.day))
        buffer.writeFixed(9) { octets in octets.monthAndYear(date, at: 0) }
    }

    /// `date-time`
    mutating func dateTime(_ value: DateTime) {
        buffer.writeFixed(28) { octets in
            octets[0] = UInt8(ascii: "\"")
            octets.twoDigits(value.date.day, at: 1)
            if value.date.day < 10 { octets[1] = UInt8(ascii: " ") }
            octets.monthAndYear(value.date, at: 3)
            octets[12] = UInt8(ascii: " ")
            octets.twoDigits(value.hour, at: 13)
            octets[15] = UInt8(ascii: ":")
            octets.twoDigits(value.minute, at: 16)
            octets[18] = UInt8(ascii: ":")
            octets.twoDigits(value.second, at: 19)
            octets[21] = UInt8(ascii: " ")
            octets[22] = value.zoneMinutes < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")
            let zone = abs(value.zoneMinutes)
            octets.twoDigits(zone / 60, at: 23)
            octets.twoDigits(zone % 60, at: 25)
            octets[27] = UInt8(ascii: "\"")
        }
    }

    /// `section-part`
    mutating func part(_ part: [UInt32]) {
        var isFirst = true
        for number in part {
            if !isFirst { octet(UInt8(ascii: ".")) }
            isFirst = false
            self.number(number)
        }
    }

    /// `section` with its brackets
    mutating func section(_ section: BodySection) {
        octet(UInt8(ascii: "["))
        part(section.part)
        if let text = section.text {
            if !section.part.isEmpty { octet(UInt8(ascii: ".")) }
            switch text {
            case .header: self.text("HEADER")
            case .text: self.text("TEXT")
            case .mime: self.text("MIME")
            case .headerFields(let names):
                self.text("HEADER.FIELDS ")
                list(names) { $0.astring($1) }
            case .headerFieldsNot(let names):
                self.text("HEADER.FIELDS.NOT ")
                list(names) { $0.astring($1) }
            }
        }
        octet(UInt8(ascii: "]"))
    }

    /// `section-binary` with its brackets
    mutating func binarySection(_ part: [UInt32]) {
        octet(UInt8(ascii: "["))
        self.part(part)
        octet(UInt8(ascii: "]"))
    }

    /// `partial`
    mutating func partial(_ partial: PartialRange?) {
        guard let partial else { return }
        octet(UInt8(ascii: "<"))
        number(partial.offset)
        octet(UInt8(ascii: "."))
        number(partial.count)
        octet(UInt8(ascii: ">"))
    }

    // MARK: Identification and extensions

    /// ID's parameters, or NIL.
    mutating func idParameters(_ parameters: IDParameters?) {
        guard let parameters else { return text("NIL") }
        list(parameters.fields) { writer, field in
            writer.string(field.name)
            writer.space()
            writer.nilOrString(field.value.map { ByteBuffer(string: $0) })
        }
    }

    /// `tagged-ext-val`
    mutating func extensionValue(_ value: ExtensionValue) {
        switch value {
        case .simple(let text): self.text(text)
        case .list(let components): extensionList(components)
        }
    }

    private mutating func extensionList(_ components: [ExtensionComponent]) {
        list(components) { writer, component in
            switch component {
            case .string(let octets): writer.astring(octets)
            case .list(let members): writer.extensionList(members)
            }
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func twoDigits(_ value: Int, at offset: Int) {
        self[offset] = 0x30 &+ UInt8(truncatingIfNeeded: value / 10 % 10)
        self[offset + 1] = 0x30 &+ UInt8(truncatingIfNeeded: value % 10)
    }

    /// `-Jul-1996`: nine octets.
    fileprivate func monthAndYear(_ date: CalendarDate, at offset: Int) {
        self[offset] = UInt8(ascii: "-")
        for (place, octet) in CalendarDate.monthNames[date.month - 1].utf8.enumerated() {
            self[offset + 1 + place] = octet
        }
        self[offset + 4] = UInt8(ascii: "-")
        twoDigits(date.year / 100, at: offset + 5)
        twoDigits(date.year % 100, at: offset + 7)
    }
}

extension ByteBuffer {
    /// Writes so many octets at once: one after the other would cost a check of access each.
    fileprivate mutating func writeFixed(_ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { octets in
            fill(octets)
            return count
        }
    }

    /// Writes a number in decimal digits without a String in between.
    mutating func writeDecimal(_ value: UInt64) {
        guard value > 9 else {
            writeInteger(0x30 &+ UInt8(truncatingIfNeeded: value))
            return
        }
        var digits = 0
        var rest = value
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        writeWithUnsafeMutableBytes(minimumWritableBytes: digits) { output in
            var rest = value
            var index = digits
            while index > 0 {
                index -= 1
                output[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return digits
        }
    }

    /// Whether all octets belong to a class.
    func consists(of wanted: CharacterClass) -> Bool {
        readableBytesView.allSatisfy { !CharacterClass.of($0).isDisjoint(with: wanted) }
    }

    /// The three letters that would be read as the absence of a string.
    var isNIL: Bool { readableBytes == 3 && readableBytesView.elementsEqual("NIL".utf8, by: { uppercased($0) == $1 }) }

    /// Whether a quoted string can hold the octets. Long ones go as literals, which need no escapes.
    func fitsQuoted(allowingUTF8: Bool) -> Bool {
        guard readableBytes <= 1024 else { return false }
        var isASCII = true
        for octet in readableBytesView {
            if octet == 0 || octet == 0x0A || octet == 0x0D { return false }
            if octet >= 0x80 { isASCII = false }
        }
        return isASCII || (allowingUTF8 && validatedText != nil)
    }
}
