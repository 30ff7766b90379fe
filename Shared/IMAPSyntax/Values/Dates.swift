/// A day without time or zone, as SEARCH writes it: `1-Feb-1994` (RFC 9051, 9: `date-text`).
public struct CalendarDate: Hashable, Sendable, Comparable {
    /// 0 to 9999.
    public let year: Int
    /// 1 to 12.
    public let month: Int
    /// 1 to 31, as the month allows.
    public let day: Int

    /// A day of the Gregorian calendar; nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard (0...9999).contains(year), (1...12).contains(month), day >= 1,
            day <= CalendarDate.days(inMonth: month, of: year)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day with that number after 1 January 1970; nil beyond the years 0 to 9999.
    public init?(daysSince1970 days: Int) {
        guard (-719_528...2_932_896).contains(days) else { return nil }
        // Howard Hinnant's civil_from_days: eras of 400 years that begin on 1 March.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.init(
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// The number of days since 1 January 1970, negative before.
    public var daysSince1970: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Earlier days first.
    public static func < (left: CalendarDate, right: CalendarDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }

    private static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// `Jan` to `Dec`, in order.
    static let monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}

/// A date with time and zone, as INTERNALDATE and APPEND write it: `"17-Jul-1996 02:44:25 -0700"`
/// (RFC 9051, 9: `date-time`).
public struct DateTime: Hashable, Sendable {
    /// The day in the zone.
    public let date: CalendarDate
    /// 0 to 23.
    public let hour: Int
    /// 0 to 59.
    public let minute: Int
    /// 0 to 60: a leap second is read, and counts as the second after it.
    public let second: Int
    /// Minutes east of Greenwich, -1439 to 1439.
    public let zoneMinutes: Int

    /// A point in time; nil when a number is out of its range.
    public init?(date: CalendarDate, hour: Int, minute: Int, second: Int, zoneMinutes: Int) {
        guard (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second),
            (-1439...1439).contains(zoneMinutes)
        else { return nil }
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
        self.zoneMinutes = zoneMinutes
    }

    /// A point in time as the system keeps it, seen from a zone; fractions of a second are cut off.
    /// Nil beyond the years 0 to 9999.
    public init?(microsecondsSince1970 microseconds: Int64, zoneMinutes: Int = 0) {
        guard (-1439...1439).contains(zoneMinutes) else { return nil }
        let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let local = Int(remainder < 0 ? quotient - 1 : quotient) + zoneMinutes * 60
        let days = (local >= 0 ? local : local - 86_399) / 86_400
        let rest = local - days * 86_400
        guard let date = CalendarDate(daysSince1970: days) else { return nil }
        self.init(
            date: date, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, zoneMinutes: zoneMinutes)
    }

    /// Seconds since 1970 UTC.
    public var secondsSince1970: Int64 {
        Int64(date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second - zoneMinutes * 60)
    }

    /// Microseconds since 1970 UTC, as the contracts carry times.
    public var microsecondsSince1970: Int64 { secondsSince1970 * 1_000_000 }
}
