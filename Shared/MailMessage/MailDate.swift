/// A day in the calendar, wherever the one who wrote it was.
public struct CalendarDay: Sendable, Hashable, Comparable {
    /// For example 2026.
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int

    /// A day.
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The earlier day is less.
    public static func < (first: Self, second: Self) -> Bool {
        (first.year, first.month, first.day) < (second.year, second.month, second.day)
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    public var daysSince1970: Int64 {
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The day that lies so many days after 1970-01-01.
    public init(daysSince1970 days: Int64) {
        let shifted = days &+ 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }
}

/// A date-time of a mail header (RFC 5322, 3.3 and 4.3).
public struct MailDate: Sendable, Hashable, CustomStringConvertible {
    /// Seconds since 1970-01-01 UTC.
    public let secondsSince1970: Int64
    /// What the writer's clock was ahead of UTC, in minutes.
    public let zoneMinutes: Int

    /// A moment, and the zone that it is written in.
    public init(secondsSince1970: Int64, zoneMinutes: Int = 0) {
        self.secondsSince1970 = min(max(secondsSince1970, -62_135_596_800), 253_402_300_799)
        self.zoneMinutes = min(max(zoneMinutes, -5999), 5999)
    }

    /// A moment in microseconds since 1970-01-01 UTC, written in UTC.
    public init(microseconds: Int64) {
        self.init(secondsSince1970: Self.floorDivide(microseconds, 1_000_000))
    }

    /// Microseconds since 1970-01-01 UTC.
    public var microseconds: Int64 { secondsSince1970 * 1_000_000 }

    /// The day as it was written, disregarding time and zone (IMAP's SENTON, RFC 9051, 6.4.4).
    public var localDay: CalendarDay {
        CalendarDay(daysSince1970: Self.floorDivide(secondsSince1970 + Int64(zoneMinutes) * 60, 86_400))
    }

    /// RFC 5322, 3.3, for example `Mon, 23 Nov 2026 20:25:56 +0000`.
    public var description: String {
        let local = secondsSince1970 + Int64(zoneMinutes) * 60
        let days = Self.floorDivide(local, 86_400)
        let second = Int(local - days * 86_400)
        let day = CalendarDay(daysSince1970: days)
        let weekday = Int(((days % 7) + 11) % 7)
        let zone = abs(zoneMinutes)
        return Self.dayNames[weekday] + ", " + String(day.day) + " " + Self.monthNames[day.month - 1] + " "
            + Self.digits(day.year, 4) + " " + Self.digits(second / 3600, 2) + ":" + Self.digits(second / 60 % 60, 2)
            + ":" + Self.digits(second % 60, 2) + (zoneMinutes < 0 ? " -" : " +") + Self.digits(zone / 60, 2)
            + Self.digits(zone % 60, 2)
    }

    private static let dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func digits(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return text.utf8.count < width ? String(repeating: "0", count: width - text.utf8.count) + text : text
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value / divisor - (value % divisor < 0 ? 1 : 0)
    }
}
