import NIOCore

/// Sets, dates, sections and status items (RFC 9051, 9).
extension ByteCursor {
    // MARK: Sequence sets

    /// `sequence-set` with `$`
    mutating func messageSet() throws(SyntaxError) -> MessageSet {
        if skip(UInt8(ascii: "$")) { return .savedResult }
        return .set(try sequenceSet())
    }

    /// `sequence-set` without `$`
    mutating func sequenceSet() throws(SyntaxError) -> SequenceSet {
        var ranges: [SequenceRange] = []
        repeat {
            guard ranges.count < limits.sequenceRanges else { throw beyond(.sequenceRanges) }
            let first = try sequenceNumber()
            ranges.append(SequenceRange(first, skip(UInt8(ascii: ":")) ? try sequenceNumber() : first))
        } while skip(UInt8(ascii: ","))
        guard let set = SequenceSet(ranges) else { throw failure("a sequence set") }
        return set
    }

    /// `seq-number`
    mutating func sequenceNumber(_ expected: String = "a sequence set") throws(SyntaxError) -> SequenceNumber {
        if skip(UInt8(ascii: "*")) { return .largest }
        guard let number = SequenceNumber(try nonZeroNumber(expected)) else {
            throw failure(expected)
        }
        return number
    }

    /// Whether a sequence set begins here.
    var isAtSequenceSet: Bool {
        guard let octet = peek() else { return false }
        return octet &- 0x30 < 10 || octet == UInt8(ascii: "*") || octet == UInt8(ascii: "$")
    }

    // MARK: Dates

    /// `date`: with or without quotes.
    mutating func date() throws(SyntaxError) -> CalendarDate {
        let isQuoted = skip(UInt8(ascii: "\""))
        let start = position
        var day = try digits(1, "a day of the month")
        if let octet = peek(), octet &- 0x30 < 10 { day = day * 10 + (try digits(1, "a day of the month")) }
        let date = try monthAndYear(day: day, at: start)
        if isQuoted { try expect(UInt8(ascii: "\""), "the end of a quoted date") }
        return date
    }

    /// `"-" date-month "-" date-year`
    private mutating func monthAndYear(day: Int, at start: Int) throws(SyntaxError) -> CalendarDate {
        try expect(UInt8(ascii: "-"), "\"-\" in a date")
        let month = try monthNumber()
        try expect(UInt8(ascii: "-"), "\"-\" in a date")
        let year = try digits(4, "a year of four digits")
        guard let date = CalendarDate(year: year, month: month, day: day) else {
            throw failure("a date that exists", at: start)
        }
        return date
    }

    private mutating func monthNumber() throws(SyntaxError) -> Int {
        guard let first = peek(), let second = peek(1), let third = peek(2) else {
            throw failure("a month of three letters")
        }
        let name = [uppercased(first), lowercased(second), lowercased(third)]
        guard let index = CalendarDate.monthNames.firstIndex(where: { $0.utf8.elementsEqual(name) }) else {
            throw failure("a month of three letters")
        }
        advance(3)
        return index + 1
    }

    /// `date-time`
    mutating func dateTime() throws(SyntaxError) -> DateTime {
        try expect(UInt8(ascii: "\""), "a quoted date and time")
        let start = position
        let day = skip(0x20) ? try digits(1, "a day of the month") : try digits(2, "a day of two characters")
        let date = try monthAndYear(day: day, at: start)
        try space()
        let hour = try digits(2, "hours of two digits")
        try expect(UInt8(ascii: ":"), "\":\" in a time")
        let minute = try digits(2, "minutes of two digits")
        try expect(UInt8(ascii: ":"), "\":\" in a time")
        let second = try digits(2, "seconds of two digits")
        try space()
        let isWest = skip(UInt8(ascii: "-"))
        if !isWest { try expect(UInt8(ascii: "+"), "a zone with \"+\" or \"-\"") }
        let zone = try digits(4, "a zone of four digits")
        try expect(UInt8(ascii: "\""), "the end of a quoted date and time")
        let minutes = zone / 100 * 60 + zone % 100
        guard zone % 100 < 60,
            let value = DateTime(
                date: date, hour: hour, minute: minute, second: second, zoneMinutes: isWest ? -minutes : minutes)
        else { throw failure("a date and time that exists", at: start) }
        return value
    }

    // MARK: Sections

    /// `section-part`: numbers with dots. Stops before a dot that no number follows.
    mutating func sectionPart() throws(SyntaxError) -> [UInt32] {
        var part: [UInt32] = []
        guard let octet = peek(), octet &- 0x30 < 10 else { return part }
        while true {
            guard part.count < limits.sectionDepth else { throw beyond(.sectionDepth) }
            part.append(try nonZeroNumber("a part number"))
            guard isNext(UInt8(ascii: ".")), let following = peek(1), following &- 0x30 < 10 else { return part }
            advance()
        }
    }

    /// `section` with its brackets
    mutating func section() throws(SyntaxError) -> BodySection {
        try expect(UInt8(ascii: "["), "\"[\"")
        var section = BodySection(part: try sectionPart())
        if section.part.isEmpty ? !isNext(UInt8(ascii: "]")) : skip(UInt8(ascii: ".")) {
            section.text = try sectionText(ofPart: !section.part.isEmpty)
        }
        try expect(UInt8(ascii: "]"), "\"]\"")
        return section
    }

    /// `section-text`; MIME only of a part.
    private mutating func sectionText(ofPart: Bool) throws(SyntaxError) -> SectionText {
        let start = position
        switch try word("a section") {
        case "HEADER": return .header
        case "TEXT": return .text
        case "MIME" where ofPart: return .mime
        case "HEADER.FIELDS": return .headerFields(try headerFieldNames())
        case "HEADER.FIELDS.NOT": return .headerFieldsNot(try headerFieldNames())
        default: throw failure("HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME of a part", at: start)
        }
    }

    /// `SP header-list`
    private mutating func headerFieldNames() throws(SyntaxError) -> [String] {
        try space()
        return try list { cursor throws(SyntaxError) in try cursor.astringText("a field name") }
    }

    /// `section-binary` with its brackets
    mutating func binarySection() throws(SyntaxError) -> [UInt32] {
        try expect(UInt8(ascii: "["), "\"[\"")
        let part = try sectionPart()
        try expect(UInt8(ascii: "]"), "\"]\"")
        return part
    }

    /// `partial`, if one follows
    mutating func partialIfNext() throws(SyntaxError) -> PartialRange? {
        guard skip(UInt8(ascii: "<")) else { return nil }
        let offset = try number64("an offset")
        try expect(UInt8(ascii: "."), "\".\" between offset and count")
        let start = position
        guard let partial = PartialRange(offset: offset, count: try number64("a count")) else {
            throw failure("a count greater than 0", at: start)
        }
        try expect(UInt8(ascii: ">"), "\">\"")
        return partial
    }

    // MARK: Status items

    /// `status-att`
    mutating func statusItem() throws(SyntaxError) -> StatusItem {
        let start = position
        guard let item = StatusItem(rawValue: try word("a status item")) else {
            throw failure("a status item", at: start)
        }
        return item
    }

    /// `"(" status-att *(SP status-att) ")"`
    mutating func statusItems() throws(SyntaxError) -> [StatusItem] {
        try list { cursor throws(SyntaxError) in try cursor.statusItem() }
    }

    /// An attribute of a mailbox: `\Sent`
    mutating func mailboxAttribute() throws(SyntaxError) -> MailboxAttribute {
        try expect(UInt8(ascii: "\\"), "an attribute with \"\\\"")
        return MailboxAttribute("\\" + (try atom("an attribute")))
    }
}
