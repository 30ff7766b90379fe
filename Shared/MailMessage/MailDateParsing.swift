extension MailDate {
    /// Reads a date-time, however people wrote it: RFC 5322 with or without day of week and seconds, obsolete zones
    /// and years of two digits (RFC 5322, 4.3), comments, asctime order, `-` or `/` between day, month and year.
    /// nil when there is no day, month and year to be found, or one of the numbers cannot be. With `anyTime` a time that
    /// cannot be is 00:00:00 (RFC 5256, 2.2).
    public init?(parsing value: some Collection<UInt8>, anyTime: Bool = false) {
        var fields = DateFields()
        var scanner = FieldScanner(Array(value.prefix(256)))
        while !scanner.isAtEnd {
            scanner.skipCommentsAndSpace()
            let word = scanner.run { octet in
                ASCII.isBlankOrLineEnd(octet) || octet == ASCII.comma || octet == ASCII.openParenthesis
                    || octet == ASCII.semicolon
            }
            if word.isEmpty { scanner.skip() } else { fields.add(word) }
        }
        guard let date = fields.date(anyTime: anyTime) else { return nil }
        self = date
    }
}

private struct DateFields {
    private var day: Int?
    private var month: Int?
    private var year: Int?
    private var seconds: Int?
    private var zone: Int?
    private var isInvalid = false

    mutating func add(_ word: ArraySlice<UInt8>) {
        guard let first = word.first else { return }
        if word.contains(ASCII.colon) {
            time(word)
        } else if (first == ASCII.plus || first == ASCII.hyphen), word.count > 1 {
            if zone == nil { zone = Self.offset(word) }
        } else if ASCII.isLetter(first) {
            name(word)
        } else if let separator = word.first(where: { $0 == ASCII.hyphen || $0 == ASCII.slash }) {
            for piece in word.split(separator: separator) { add(piece) }
        } else {
            number(word)
        }
    }

    /// Everything in its place.
    func date(anyTime: Bool) -> MailDate? {
        guard !isInvalid || anyTime, let day, let month, let year, (1...31).contains(day), (0...9999).contains(year)
        else {
            return nil
        }
        let days = CalendarDay(year: year, month: month, day: day).daysSince1970
        let local = days * 86_400 + Int64(seconds ?? 0)
        let minutes = zone ?? 0
        return MailDate(secondsSince1970: local - Int64(minutes) * 60, zoneMinutes: minutes)
    }

    private mutating func number(_ word: ArraySlice<UInt8>) {
        guard word.count <= 4, word.allSatisfy(ASCII.isDigit) else { return }
        let value = Self.value(word)
        if day == nil, word.count <= 2 {
            day = value
        } else if year == nil {
            // RFC 5322, 4.3: two digits mean 1950 to 2049, three digits count from 1900.
            switch word.count {
            case 4: year = value
            case 3: year = value + 1900
            case _: year = value < 50 ? value + 2000 : value + 1900
            }
        }
    }

    private mutating func time(_ word: ArraySlice<UInt8>) {
        guard seconds == nil else { return }
        // A zone may stick to the time.
        let digitsEnd = word.firstIndex { !ASCII.isDigit($0) && $0 != ASCII.colon && $0 != ASCII.dot } ?? word.endIndex
        let pieces = word[..<digitsEnd].split(separator: ASCII.colon)
        guard (2...3).contains(pieces.count) else { return isInvalid = true }
        let values = pieces.map { piece in
            // Fractions of a second are nothing that mail knows, but some send them.
            piece.prefix { $0 != ASCII.dot }.count <= 2 ? Self.value(piece.prefix { $0 != ASCII.dot }) : 100
        }
        let second = values.count > 2 ? values[2] : 0
        guard values[0] < 24, values[1] < 60, second <= 60 else { return isInvalid = true }
        seconds = values[0] * 3600 + values[1] * 60 + second
        if digitsEnd < word.endIndex { add(word[digitsEnd...]) }
    }

    private mutating func name(_ word: ArraySlice<UInt8>) {
        let isMorning = ASCII.equalIgnoringCase(word, "am".utf8)
        if let time = seconds, isMorning || ASCII.equalIgnoringCase(word, "pm".utf8) {
            let isTwelve = time / 3600 == 12
            if isMorning, isTwelve { seconds = time - 12 * 3600 }
            if !isMorning, !isTwelve, time < 12 * 3600 { seconds = time + 12 * 3600 }
            return
        }
        if month == nil, let found = Self.month(word) {
            month = found
            let rest = word.drop { ASCII.isLetter($0) }
            if let separator = rest.first, separator == ASCII.hyphen || separator == ASCII.slash {
                for piece in rest.split(separator: separator) { add(piece) }
            }
            return
        }
        guard seconds != nil, zone == nil else { return }
        let letters = word.prefix { ASCII.isLetter($0) }
        zone = Self.zones[ASCII.lowercasedString(letters)]
        let rest = word[letters.endIndex...]
        if let sign = rest.first, sign == ASCII.plus || sign == ASCII.hyphen, zone ?? 0 == 0 {
            zone = Self.offset(rest)
        }
    }

    /// 1 to 12. Names of days share no first three letters with names of months.
    private static func month(_ word: ArraySlice<UInt8>) -> Int? {
        guard word.count >= 3 else { return nil }
        let key = word.prefix(3).reduce(0) { $0 << 8 | UInt32(ASCII.lower($1)) }
        return months.firstIndex(of: key).map { $0 + 1 }
    }

    private static let months: [UInt32] = MailDate.monthNames.map { name in
        name.utf8.reduce(0) { $0 << 8 | UInt32(ASCII.lower($1)) }
    }

    /// `+hhmm`; nil when it is none.
    private static func offset(_ word: ArraySlice<UInt8>) -> Int? {
        let digits = word.dropFirst().filter { $0 != ASCII.colon }
        guard digits.count == 4 || digits.count == 2, digits.allSatisfy(ASCII.isDigit) else { return nil }
        let value = value(digits[...]) * (digits.count == 2 ? 100 : 1)
        let minutes = value / 100 * 60 + value % 100
        return word.first == ASCII.hyphen ? -minutes : minutes
    }

    private static func value(_ digits: ArraySlice<UInt8>) -> Int {
        digits.prefix(9).reduce(0) { $0 * 10 + Int(($1 &- 0x30) & 0x0F) }
    }

    /// RFC 5322, 4.3. Military letters other than Z were written with either sign, so they say nothing: UTC.
    private static let zones: [String: Int] = [
        "ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420,
        "mdt": -360, "pst": -480, "pdt": -420,
    ]
}
