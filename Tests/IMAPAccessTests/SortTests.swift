import Contracts
import IMAPSyntax
import MailMessage
import Messaging
import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// SORT beyond what a dialogue shows (RFC 5256, 3; RFC 5957).
@Suite("Sorting")
struct SortTests {
    static func envelope(_ header: String) -> EnvelopeFields? {
        let message = MemoryMessage.parse(Array((header.replacing("\n", with: "\r\n") + "\r\n\r\n").utf8), prefix: [])
        return EnvelopeFields(message.envelope)
    }

    /// The positions of these headers, sorted.
    static func sorted(_ criteria: [SortCriterion], _ headers: [String]) throws -> [Int] {
        var keys = SortKeys(criteria)
        for (index, header) in headers.enumerated() {
            let row = MessageRow(uid: UInt32(index + 1), flags: 0, modseq: 1, date: 1_000_000, size: 1)
            keys.append(index, row, try #require(envelope(header)))
        }
        return keys.sorted()
    }

    @Test("An ENVELOPE gives its fields, however they are written")
    func envelopes() throws {
        let fields = try #require(
            Self.envelope(
                """
                From: "Quote \\" Backslash \\\\" <a@example.test>, second@example.test
                Sender: s@example.test
                To: Friends: x@example.test, y@example.test;, z@example.test
                Cc: Grüße <c@example.test>
                Subject: a\u{1}b "c"
                Date: Mon, 1 Jan 2024 10:00:00 +0000
                Message-ID: <1@example.test>
                """))
        #expect(fields.from?.name == Array(#"Quote " Backslash \"#.utf8))
        #expect(fields.from?.mailbox == Array("a".utf8))
        #expect(fields.from?.host == Array("example.test".utf8))
        #expect(fields.to?.mailbox == Array("Friends".utf8))
        #expect(fields.to?.host == nil)
        #expect(fields.cc?.name == Array("Grüße".utf8))
        #expect(fields.subject == Array("a\u{1}b \"c\"".utf8))
        #expect(fields.date == Array("Mon, 1 Jan 2024 10:00:00 +0000".utf8))
        let nothing = try #require(Self.envelope("X: y"))
        #expect(nothing == EnvelopeFields())
    }

    @Test("What is no ENVELOPE is none, and nothing is read beyond its end")
    func brokenEnvelopes() throws {
        let whole = MemoryMessage.parse(
            Array("From: \"a\\\"\" <a@b>\r\nSubject: ü\r\nTo: x@y, z@y\r\nCc: q@r\r\n\r\n".utf8), prefix: []
        ).envelope
        #expect(EnvelopeFields(whole) != nil)
        for length in 0..<whole.count { _ = EnvelopeFields(Array(whole[..<length])) }
        for broken in [
            "", "(", "NIL", "(NIL NIL", "({9}\r\nab", "({99999999999999999999}\r\n", "(\"", "(NIL NIL ((", "(nil",
        ] {
            #expect(EnvelopeFields(Array(broken.utf8)) == nil, "\(broken)")
        }
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<5000 {
            var octets = whole
            let position = Int.random(in: octets.indices, using: &generator)
            octets[position] = UInt8.random(in: 0...255, using: &generator)
            _ = EnvelopeFields(octets)
        }
    }

    @Test("Subjects by their base, without regard to case and accents' encoding")
    func subjects() throws {
        let headers = [
            "Subject: Re: zebra", "Subject: =?utf-8?q?=C3=A9clair?=", "Subject: Apple", "Subject: [x] ECLAIR",
            "Subject: Fwd: e\u{301}clair", "X: none", "Subject: =?utf-8?q?bad_=FF?=",
        ]
        #expect(try Self.sorted([SortCriterion(.subject)], headers) == [5, 2, 3, 1, 4, 0, 6])
        // Equal ones stay in the mailbox's order, backwards too.
        #expect(try Self.sorted([SortCriterion(.subject, reversed: true)], headers) == [6, 0, 1, 4, 3, 2, 5])
    }

    @Test("Dates in UTC; without one the arrival, without a time midnight, without a zone UTC (RFC 5256, 2.2)")
    func dates() throws {
        let headers = [
            "Date: 1 Jan 2001 00:01:33 +0000", "Date: 31 Dec 2000 16:01:32 -0800", "Date: never", "X: none",
            "Date: 31 Dec 2000 99:99 +0000", "Date: 31 Dec 2000 00:00:01 XYZ",
        ]
        #expect(try Self.sorted([SortCriterion(.date)], headers) == [2, 3, 4, 5, 1, 0])
        let twice = [SortCriterion(.date, reversed: true), SortCriterion(.date)]
        #expect(try Self.sorted(twice, headers) == [0, 1, 5, 4, 2, 3])
    }

    @Test("Addresses by what they show (RFC 5957, 3)")
    func display() throws {
        let headers = [
            "From: zoe@example.test", "From: =?utf-8?q?=C3=84nne?= <x@example.test>", "From: \"\" <bob@example.test>",
            "From: Team: a@example.test;", "From: bob@example.org", "From: carl <y@example.test>, ann@example.test",
            "X: none",
        ]
        #expect(try Self.sorted([SortCriterion(.displayFrom)], headers) == [6, 1, 4, 2, 5, 3, 0])
        #expect(try Self.sorted([SortCriterion(.from)], headers) == [6, 2, 4, 3, 1, 5, 0])
    }

    @Test("Several criteria, against a plain sort of the same", arguments: 1...40 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let names = ["a", "B", "b", "Ä", "", "c d"]
        let messages = (0..<60).map { _ in
            (
                subject: names.randomElement(using: &generator) ?? "",
                from: names[0..<3].randomElement(using: &generator) ?? "",
                day: Int.random(in: 1...4, using: &generator), size: UInt32.random(in: 1...3, using: &generator)
            )
        }
        let criteria = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
            SortCriterion(
                [SortKey.subject, .from, .date, .size].randomElement(using: &generator) ?? .size,
                reversed: Bool.random(using: &generator))
        }
        var keys = SortKeys(criteria)
        for (index, message) in messages.enumerated() {
            var fields = EnvelopeFields()
            fields.subject = Array("Re: \(message.subject)".utf8)
            fields.from = EnvelopeFields.Address(mailbox: Array(message.from.utf8), host: [])
            fields.date = Array("\(message.day) Jan 2024 10:00:00 +0000".utf8)
            keys.append(
                index, MessageRow(uid: UInt32(index + 1), flags: 0, modseq: 1, date: 0, size: message.size), fields)
        }
        func folded(_ text: String) -> [UInt8] { UnicodeCasemap.folded(Array(text.utf8)) }
        func precedes(_ left: Int, _ right: Int) -> Bool {
            for criterion in criteria {
                let (first, second) =
                    criterion.isReversed ? (messages[right], messages[left]) : (messages[left], messages[right])
                switch criterion.key {
                case .subject where folded(first.subject) != folded(second.subject):
                    return folded(first.subject).lexicographicallyPrecedes(folded(second.subject))
                case .from where folded(first.from) != folded(second.from):
                    return folded(first.from).lexicographicallyPrecedes(folded(second.from))
                case .date where first.day != second.day: return first.day < second.day
                case .size where first.size != second.size: return first.size < second.size
                default: continue
                }
            }
            return left < right
        }
        #expect(keys.sorted() == messages.indices.sorted(by: precedes))
    }

    @Test("Only messages that match are read, at once; by arrival and size none", .timeLimit(.minutes(1)))
    func reading() async throws {
        try await TestServer.run { server in
            for number in 1...2500 {
                server.store.deliver(
                    "Subject: \(9999 - number)\r\n\r\n", flags: number.isMultiple(of: 2) ? ["\\Seen"] : [])
            }
            let client = try await server.select()
            _ = try await client.ok("SORT (REVERSE SIZE ARRIVAL) UTF-8 SEEN")
            #expect(server.store.calls("fetch") == 0)
            let seen = try await client.ok("SORT (SUBJECT DATE) UTF-8 SEEN")
            let expected = stride(from: 2500, through: 2, by: -2).map { " \($0)" }.joined()
            #expect(seen == ["* SORT" + expected])
            #expect(server.store.calls("fetch") == 1)
            #expect(server.store.calls("fetched messages") == 1250)
            await client.close()
        }
    }

    @Test("A message that was expunged meanwhile is left out", .timeLimit(.minutes(1)))
    func expunged() async throws {
        try await TestServer.run { server in
            for subject in ["b", "a", "c"] { server.store.deliver("Subject: \(subject)\r\n\r\n") }
            let client = try await server.select()
            // Gone from storage, and nobody has told yet.
            server.store.state.withLock { _ = $0.mailboxes[0].remove([2]) }
            #expect(try await client.ok("UID SORT (SUBJECT) UTF-8 ALL").first == "* SORT 1 3")
            #expect(try await client.ok("SORT (SIZE) UTF-8 ALL").first?.hasPrefix("* SORT ") == true)
            await client.close()
        }
    }

    @Test("While storage is away there is no answer, and the session goes on", .timeLimit(.minutes(1)))
    func storageAway() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.plain)
            let client = try await server.select()
            server.store.setFault(MessagingError(.unavailable, "test"))
            #expect(try await client.command("SORT (DATE) UTF-8 ALL").last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            #expect(try await client.ok("SORT (SIZE) UTF-8 ALL") == ["* SORT 1"])
            server.store.setFault(nil)
            #expect(try await client.ok("SORT (DATE) UTF-8 ALL") == ["* SORT 1"])
            await client.close()
        }
    }
}
