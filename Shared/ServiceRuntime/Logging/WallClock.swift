import Glibc

/// The time of day as the log and the contracts write it.
public enum WallClock {
    /// Microseconds since 1970-01-01 UTC.
    public static var microseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    }

    /// `2026-11-23T20:25:01.123456Z` (RFC 3339, 5.6).
    public static func text(microseconds: Int64) -> String {
        var octets: [UInt8] = []
        append(microseconds: microseconds, to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    /// Appends the same text, without making a string.
    static func append(microseconds: Int64, to octets: inout [UInt8]) {
        let (days, inDay) = floorDivide(microseconds, 86_400_000_000)
        let (year, month, day) = civil(days: days)
        let seconds = inDay / 1_000_000
        append(year, width: 4, to: &octets)
        octets.append(UInt8(ascii: "-"))
        append(month, width: 2, to: &octets)
        octets.append(UInt8(ascii: "-"))
        append(day, width: 2, to: &octets)
        octets.append(UInt8(ascii: "T"))
        append(seconds / 3_600, width: 2, to: &octets)
        octets.append(UInt8(ascii: ":"))
        append(seconds / 60 % 60, width: 2, to: &octets)
        octets.append(UInt8(ascii: ":"))
        append(seconds % 60, width: 2, to: &octets)
        octets.append(UInt8(ascii: "."))
        append(inDay % 1_000_000, width: 6, to: &octets)
        octets.append(UInt8(ascii: "Z"))
    }

    /// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar. Counted in eras
    /// of 400 years that begin on 1 March, so that the leap day is the last of a year.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func floorDivide(_ number: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func append(_ number: Int64, width: Int, to octets: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            octets.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}
