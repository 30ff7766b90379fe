import TestRandomness
import Testing

@testable import IMAPSyntax

@Suite("Mailbox names, patterns, flags")
struct NameTests {
    @Test(
        "Modified UTF-7 as RFC 3501, 5.1.3 writes it",
        arguments: [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"), ("A&B", "A&-B"), ("Entwürfe", "Entw&APw-rfe"),
            ("", ""), ("😀", "&2D3eAA-"), ("&&", "&-&-"), ("ü&ü", "&APw-&-&APw-"), ("a\u{7F}", "a&AH8-"),
        ])
    func examples(name: String, encoded: String) {
        #expect(String(decoding: ModifiedUTF7.encode(name), as: UTF8.self) == encoded)
        #expect(ModifiedUTF7.decode(encoded.utf8) == name)
    }

    @Test(
        "What is not modified UTF-7",
        arguments: [
            "&", "&AP", "&APw", "a&b", "&A-", "&AP-", "&APx-", "&AGE-", "&2D3-", "&3gA-", "&APw-&APw-", "&AP+w-", "ü",
            "&APw=-", "a\u{0}", "&AAA-", "\u{7F}", "&APwA-",
        ])
    func refused(text: String) {
        #expect(ModifiedUTF7.decode(text.utf8) == nil)
    }

    @Test("Every name has one spelling")
    func roundTrip() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<2000 {
            let name = generator.name()
            #expect(ModifiedUTF7.decode(ModifiedUTF7.encode(name)) == name)
            // What can be decoded at all is what encoding gives.
            let octets = generator.array(0...12) { $0.pick(Array("&-,ABab0+U".utf8)) }
            if let decoded = ModifiedUTF7.decode(octets) { #expect(ModifiedUTF7.encode(decoded) == octets) }
        }
    }

    @Test("INBOX in any case is INBOX, and only as a whole")
    func inbox() {
        #expect(MailboxName("iNbOx") == .inbox)
        #expect(MailboxName("inbox/x").value == "inbox/x")
    }

    @Test(
        "Wildcards (RFC 9051, 6.3.9)",
        arguments: [
            ("*", "a/b", true), ("%", "a/b", false), ("%", "a", true), ("a/%", "a/b", true), ("a/%", "a/b/c", false),
            ("a/*", "a/b/c", true), ("a*c", "a/b/c", true), ("%/%", "a/b", true), ("%/%", "a/b/c", false),
            ("*%*", "", true), ("", "", true), ("", "a", false), ("inb%", "INBOX", true), ("inbox", "INBOX", true),
            ("foo%", "foo", true), ("%2*", "qux2/bar2", true), ("a%b%c", "axxbyyc", true), ("a%b%c", "axxb/yyc", false),
        ])
    func wildcards(pattern: String, name: String, matches: Bool) {
        #expect(MailboxPattern(pattern).matches(MailboxName(name)) == matches)
    }

    @Test("Matching agrees with the definition, tried out by recursion")
    func matchingModel() {
        func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
            guard let first = pattern.first else { return name.isEmpty }
            let rest = pattern.dropFirst()
            if first == "*" || first == "%" {
                if matches(rest, name) { return true }
                guard let next = name.first, first == "*" || next != "/" else { return false }
                return matches(pattern, name.dropFirst())
            }
            return name.first == first && matches(rest, name.dropFirst())
        }
        var generator = SeededGenerator(seed: 12)
        for _ in 0..<5000 {
            let pattern = generator.array(0...6) { $0.pick(Array("ab/*%")) }
            let name = generator.array(0...8) { $0.pick(Array("ab/")) }
            #expect(
                MailboxPattern(String(pattern)).matches(MailboxName(String(name)))
                    == matches(pattern[...], name[...]), "\(String(pattern)) \(String(name))")
        }
    }

    @Test("A pattern of many wildcards takes no more than the product of the lengths")
    func noBacktracking() {
        let pattern = MailboxPattern(String(repeating: "*a", count: 200) + "b")
        #expect(!pattern.matches(MailboxName(String(repeating: "a", count: 2000))))
    }

    @Test("Flags are compared without regard to case")
    func flags() {
        #expect(Flag("\\SEEN") == .seen && Flag("\\seen").name == "\\Seen")
        #expect(Flag("$JUNK") == Flag("$junk"))
        #expect(Set([Flag("a"), Flag("A")]).count == 1)
        #expect(Capability("imap4REV2") == .imap4rev2 && Capability("idle") == .idle)
        #expect(Capability("auth=plain").authenticationMechanism == "PLAIN")
        // RFC 4314, 7: rights are letters in lower case.
        #expect(Capability("rights=TEXK").name == "RIGHTS=texk" && Capability("RIGHTS=texk") == .rights)
    }
}

@Suite("Dates")
struct DateTests {
    @Test("Days are counted as the calendar has them")
    func days() throws {
        #expect(try #require(CalendarDate(year: 1970, month: 1, day: 1)).daysSince1970 == 0)
        #expect(try #require(CalendarDate(year: 2000, month: 3, day: 1)).daysSince1970 == 11017)
        #expect(CalendarDate(year: 1900, month: 2, day: 29) == nil)
        #expect(CalendarDate(year: 2000, month: 2, day: 29) != nil)
        var previous = try #require(CalendarDate(daysSince1970: -719_528))
        #expect(previous == CalendarDate(year: 0, month: 1, day: 1))
        // Four hundred years, after which the calendar repeats itself.
        for day in -719_527..<(-719_527 + 146_097) {
            guard let date = CalendarDate(daysSince1970: day), date.daysSince1970 == day, previous < date else {
                Issue.record("day \(day)")
                return
            }
            previous = date
        }
        #expect(CalendarDate(daysSince1970: 2_932_896) == CalendarDate(year: 9999, month: 12, day: 31))
        #expect(CalendarDate(daysSince1970: 2_932_897) == nil)
    }

    @Test("Times with zones")
    func times() throws {
        let date = try #require(CalendarDate(year: 1996, month: 7, day: 17))
        let time = try #require(DateTime(date: date, hour: 2, minute: 44, second: 25, zoneMinutes: -420))
        #expect(time.secondsSince1970 == 837_596_665)
        #expect(DateTime(microsecondsSince1970: 837_596_665_999_999, zoneMinutes: -420) == time)
        #expect(DateTime(microsecondsSince1970: -1)?.secondsSince1970 == -1)
        #expect(DateTime(microsecondsSince1970: .min) == nil)
        #expect(DateTime(microsecondsSince1970: .max) == nil)
        #expect(DateTime(microsecondsSince1970: 0, zoneMinutes: 5000) == nil)
    }
}
