import TestRandomness
import Testing

@testable import MailMessage

@Suite("Dates")
struct MailDateTests {
    @Test(
        "of RFC 5322 and of the world",
        arguments: [
            ("Fri, 21 Nov 1997 09:55:06 -0600", "Fri, 21 Nov 1997 09:55:06 -0600"),
            ("Tue, 1 Jul 2003 10:52:37 +0200", "Tue, 1 Jul 2003 10:52:37 +0200"),
            (
                "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
                "Thu, 13 Feb 1969 23:32:00 -0330"
            ),
            ("21 Nov 97 09:55:06 GMT", "Fri, 21 Nov 1997 09:55:06 +0000"),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "~"),
            ("Mon, 23 Nov 26 20:25 EST", "Mon, 23 Nov 2026 20:25:00 -0500"),
            ("Sat, 1 Jan 100 00:00:00 PDT", "Sat, 1 Jan 2000 00:00:00 -0700"),
            ("Wed, 01-Jan-1997 10:00:00 UT", "Wed, 1 Jan 1997 10:00:00 +0000"),
            ("Thu Sep  4 13:29:30 2008", "Thu, 4 Sep 2008 13:29:30 +0000"),
            ("4 September 2008 1:29:30 PM +0100", "Thu, 4 Sep 2008 13:29:30 +0100"),
            ("Mon, 2 Mar 2020 10:00:00 GMT+0100", "Mon, 2 Mar 2020 10:00:00 +0100"),
            ("Mon, 2 Mar 2020 10:00:00 Q", "Mon, 2 Mar 2020 10:00:00 +0000"),
            ("Mon, 2 Mar 2020", "Mon, 2 Mar 2020 00:00:00 +0000"),
            ("Mon, 2 Mar 2020 25:00:00 +0000", "~"),
            ("yesterday", "~"), ("", "~"), (":", "~"), ("1 2 3 4 5 6", "~"), ("99 Jan 2020", "~"),
        ])
    func parsing(_ value: String, _ expected: String) {
        #expect((MailDate(parsing: value.utf8)?.description ?? "~") == expected)
    }

    @Test("that have no time that could be are of midnight where that will do (RFC 5256, 2.2)")
    func anyTime() {
        func read(_ value: String) -> String? { MailDate(parsing: value.utf8, anyTime: true)?.description }
        #expect(read("Mon, 2 Mar 2020 25:00:00 +0100") == "Mon, 2 Mar 2020 00:00:00 +0100")
        #expect(read("Mon, 2 Mar 2020 ten:thirty") == "Mon, 2 Mar 2020 00:00:00 +0000")
        #expect(read("Mon, 2 Mar 2020 10:30:00 +0100") == "Mon, 2 Mar 2020 10:30:00 +0100")
        #expect(read("yesterday at 25:00:00") == nil)
    }

    @Test("come back as they were printed")
    func roundTrip() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let date = MailDate(
                secondsSince1970: Int64.random(in: -2_000_000_000...20_000_000_000, using: &generator),
                zoneMinutes: Int.random(in: -720...840, using: &generator))
            #expect(MailDate(parsing: date.description.utf8) == date)
        }
    }

    @Test("know the day that their writer saw")
    func localDay() throws {
        let date = try #require(MailDate(parsing: "Thu, 31 Dec 2009 23:30:00 -0500".utf8))
        #expect(date.localDay == CalendarDay(year: 2009, month: 12, day: 31))
        #expect(date.secondsSince1970 == 1_262_320_200)
        #expect(CalendarDay(daysSince1970: 0) == CalendarDay(year: 1970, month: 1, day: 1))
        #expect(CalendarDay(year: 2000, month: 2, day: 29).daysSince1970 == 11_016)
    }

    @Test("of the far past and future neither trap nor overflow")
    func extremes() {
        for seconds in [Int64.min, Int64.max, -62_135_596_800, 253_402_300_799] {
            #expect(!MailDate(secondsSince1970: seconds, zoneMinutes: .max).description.isEmpty)
        }
        #expect(!MailDate(microseconds: .min).description.isEmpty)
    }
}
