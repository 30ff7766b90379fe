import NIOCore
import Testing

@testable import IMAPSyntax

@Suite("Literals and APPEND")
struct LiteralTests {
    @Test("A synchronizing literal is announced, once, with its size")
    func announcedLiteral() {
        var parser = CommandParser()
        parser.feed(ByteBuffer("a LOGIN {4}\r\n"))
        #expect(parser.next() == .literal(tag: "a", LiteralHeader(octets: 4)))
        #expect(parser.next() == .needMore)
        parser.feed(ByteBuffer("fred pass\r\n"))
        #expect(
            parser.next()
                == .command(
                    TaggedCommand(
                        tag: "a",
                        command: .login(LoginCommand(user: ByteBuffer("fred"), password: ByteBuffer("pass"))))))
    }

    @Test("What is wrong before a synchronizing literal is said instead of a continuation request")
    func wrongBeforeLiteral() {
        #expect(events(of: "a BOGUS {5}\r\nb NOOP\r\n").count == 2)
        #expect(failure("a BOGUS {5}\r\n")?.problem == .unknownCommand("BOGUS"))
        #expect(failure("a LOGIN x(y {5}\r\n")?.position == 9)
    }

    @Test("A refused literal leaves the next command whole")
    func refusedLiteral() {
        let heard = events(of: "a LOGIN {4}\r\nb NOOP\r\n") { parser, event in
            if case .literal = event { parser.refuseLiteral() }
        }
        #expect(
            heard == [
                .literal(tag: "a", LiteralHeader(octets: 4)), .command(TaggedCommand(tag: "b", command: .noop)),
            ])
    }

    @Test("A literal may hold anything, even what looks like commands")
    func literalHoldsLines() {
        let text = "a SEARCH SUBJECT {17+}\r\nx\r\nb LOGOUT {5}\r\n TEXT y\r\nc NOOP\r\n"
        let heard = events(of: text)
        #expect(heard.count == 2)
        #expect(heard.last == .command(TaggedCommand(tag: "c", command: .noop)))
    }

    // MARK: APPEND

    @Test("APPEND's message is passed on as it comes, and kept nowhere")
    func appendStreams() {
        var parser = CommandParser()
        parser.feed(ByteBuffer("a APPEND Sent (\\Seen $x) \" 7-Feb-1994 21:52:25 -0800\" {10}\r\n"))
        let date = CalendarDate(year: 1994, month: 2, day: 7).flatMap {
            DateTime(date: $0, hour: 21, minute: 52, second: 25, zoneMinutes: -480)
        }
        #expect(
            parser.next()
                == .append(
                    AppendCommand(
                        tag: "a", mailbox: "Sent",
                        message: AppendMessage(
                            flags: [.seen, Flag("$x")], internalDate: date, literal: LiteralHeader(octets: 10)))))
        parser.feed(ByteBuffer("01234"))
        #expect(parser.next() == .messageOctets(ByteBuffer("01234")))
        #expect(parser.bufferedOctets == 0)
        #expect(parser.next() == .needMore)
        parser.feed(ByteBuffer("56789\r\nb NOOP\r\n"))
        #expect(parser.next() == .messageOctets(ByteBuffer("56789")))
        #expect(parser.next() == .messageEnd)
        #expect(parser.next() == .appendEnd)
        #expect(parser.next() == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test("APPEND to a mailbox given as a literal, with a literal8 message")
    func appendLiteralMailbox() {
        let heard = events(of: "a append {4+}\r\nSent ~{3+}\r\na\0b\r\n")
        #expect(
            heard == [
                .append(
                    AppendCommand(
                        tag: "a", mailbox: "Sent",
                        message: AppendMessage(
                            literal: LiteralHeader(octets: 3, isSynchronizing: false, isBinary: true)))),
                .messageOctets(ByteBuffer("a\0b")), .messageEnd, .appendEnd,
            ])
        #expect(events(of: "a APPEND {0}\r\n {0}\r\n\r\n").last == .appendEnd)
    }

    @Test("Several messages of one APPEND (RFC 3502)")
    func appendSeveral() {
        func plain(_ octets: Int) -> LiteralHeader { LiteralHeader(octets: octets, isSynchronizing: false) }
        let heard = events(of: "a APPEND x {2+}\r\nhi (\\Seen) {3+}\r\nyou UTF8 (~{1+}\r\n!) {0+}\r\n\r\nb NOOP\r\n")
        #expect(
            heard == [
                .append(AppendCommand(tag: "a", mailbox: "x", message: AppendMessage(literal: plain(2)))),
                .messageOctets(ByteBuffer("hi")), .messageEnd,
                .appendNext(AppendMessage(flags: [.seen], literal: plain(3))), .messageOctets(ByteBuffer("you")),
                .messageEnd,
                .appendNext(
                    AppendMessage(
                        literal: LiteralHeader(octets: 1, isSynchronizing: false, isBinary: true), isUTF8: true)),
                .messageOctets(ByteBuffer("!")), .messageEnd, .appendNext(AppendMessage(literal: plain(0))),
                .messageEnd, .appendEnd, .command(TaggedCommand(tag: "b", command: .noop)),
            ])
    }

    @Test(
        "An APPEND that goes on with something else than a message is refused, and what follows is understood",
        arguments: [
            "a APPEND x {2+}\r\nhi {3+\r\n", "a APPEND x {2+}\r\nhi (\\Bad {3+}\r\nyou\r\n",
            "a APPEND x {2+}\r\nhi (\\Seen)\r\n", "a APPEND x {2+}\r\nhi \r\n",
            "a APPEND x {2+}\r\nhi{3+}\r\nyou\r\n",
            "a APPEND x {2+}\r\nhi INBOX {3+}\r\nyou {4+}\r\nmore\r\n", "a APPEND x {2+}\r\nhi  {3+}\r\nyou\r\n",
            "a APPEND x {2+}\r\nhi (\\Bad {3}\r\n",
        ])
    func appendWithMore(_ text: String) {
        let heard = events(of: text + "b NOOP\r\n")
        let failures = heard.compactMap { if case .invalid(let failure) = $0 { failure } else { nil } }
        #expect(failures.map(\.tag) == ["a"])
        #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)))
        #expect(!heard.contains(.appendEnd))
        #expect(events(of: pieces(of: ByteBuffer(text + "b NOOP\r\n"), size: 1)) == heard)
    }

    @Test("A line without end behind a message passes its limit")
    func appendWithLongLine() {
        var limits = ParsingLimits()
        limits.lineOctets = 50
        let text = "a APPEND x {2+}\r\nhi (" + String(repeating: "x", count: 60) + ") {3+}\r\nyou\r\nb NOOP\r\n"
        let heard = events(of: pieces(of: ByteBuffer(text), size: 7), limits: limits)
        let failures = heard.compactMap { if case .invalid(let failure) = $0 { failure.problem } else { nil } }
        #expect(failures == [.beyondLimit(.lineOctets)])
        #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test("Another message that is refused is skipped, or never comes")
    func refusedNext() {
        func refuse(_ parser: inout CommandParser, _ event: CommandEvent) {
            if case .appendNext = event { parser.refuseLiteral() }
        }
        let noop = CommandEvent.command(TaggedCommand(tag: "b", command: .noop))
        for text in [
            "a APPEND x {2+}\r\nhi {5}\r\nb NOOP\r\n",
            "a APPEND x {2+}\r\nhi {5+}\r\n12345 {1+}\r\nx\r\nb NOOP\r\n",
        ] {
            let heard = events(of: text, react: refuse)
            #expect(heard.count == 5 && heard.last == noop)
        }
    }

    @Test("A refused APPEND: nothing comes from one that waits, the octets of one that does not are skipped")
    func refusedAppend() {
        func refuse(_ parser: inout CommandParser, _ event: CommandEvent) {
            if case .append = event { parser.refuseLiteral() }
        }
        let noop = CommandEvent.command(TaggedCommand(tag: "b", command: .noop))
        #expect(events(of: "a APPEND x {5}\r\nb NOOP\r\n", react: refuse).dropFirst() == [noop])
        #expect(events(of: "a APPEND x {5+}\r\n12345\r\nb NOOP\r\n", react: refuse).dropFirst() == [noop])
        var limits = ParsingLimits()
        limits.skippedOctets = 4
        let tooMany = events(of: "a APPEND x {5+}\r\n12345\r\nb NOOP\r\n", limits: limits, react: refuse)
        guard tooMany.count == 2, case .invalid(let failure) = tooMany[1] else {
            Issue.record("the session went on")
            return
        }
        #expect(failure.mustClose)
    }

    @Test("APPEND of a message with UTF-8 in its header (RFC 6855, 4)")
    func appendUTF8() {
        let heard = events(of: "a APPEND x (\\Seen) utf8 (~{3+}\r\na\0b)\r\nb NOOP\r\n")
        #expect(
            heard == [
                .append(
                    AppendCommand(
                        tag: "a", mailbox: "x",
                        message: AppendMessage(
                            flags: [.seen],
                            literal: LiteralHeader(octets: 3, isSynchronizing: false, isBinary: true), isUTF8: true))),
                .messageOctets(ByteBuffer("a\0b")), .messageEnd, .appendEnd,
                .command(TaggedCommand(tag: "b", command: .noop)),
            ])
        for wrong in [
            "a APPEND x UTF8 ({3+}\r\nabc)\r\n", "a APPEND x UTF8 (~{3+}\r\nabc\r\n",
            "a APPEND x UTF8 ~{3+}\r\nabc\r\n",
            "a APPEND x UTF8(~{3+}\r\nabc)\r\n", "a APPEND x UTF8 (~{3+}\r\nabc))\r\n",
        ] {
            let heard = events(of: wrong + "b NOOP\r\n")
            #expect(heard.contains { if case .invalid(let failure) = $0 { failure.tag == "a" } else { false } })
            #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)), "\(wrong)")
        }
    }

    @Test("REPLACE (RFC 8508)")
    func replace() {
        for (text, replaced) in [
            ("a REPLACE 4 x {2+}\r\nhi\r\n", ReplacedMessage(numbering: .sequenceNumbers, number: 4)),
            ("a replace * {1+}\r\nx {2+}\r\nhi\r\n", ReplacedMessage(numbering: .sequenceNumbers, number: .largest)),
            ("a UID REPLACE 4294967295 x {2+}\r\nhi\r\n", ReplacedMessage(numbering: .uids, number: 4_294_967_295)),
            ("a uid Replace 7 \"x\" {2+}\r\nhi\r\n", ReplacedMessage(numbering: .uids, number: 7)),
        ] {
            let message = AppendMessage(literal: LiteralHeader(octets: 2, isSynchronizing: false))
            #expect(
                events(of: text) == [
                    .append(AppendCommand(tag: "a", replaced: replaced, mailbox: "x", message: message)),
                    .messageOctets(ByteBuffer("hi")), .messageEnd, .appendEnd,
                ], "\(text)")
        }
        for wrong in [
            "a REPLACE x {2+}\r\nhi\r\n", "a REPLACE 0 x {2+}\r\nhi\r\n", "a REPLACE 1:2 x {2+}\r\nhi\r\n",
            "a REPLACE 1,2 x {2+}\r\nhi\r\n", "a UID REPLACE x {2+}\r\nhi\r\n", "a REPLACE $ x {2+}\r\nhi\r\n",
            "a REPLACE 1 x\r\n", "a UID REPLACE 1 x\r\n", "a REPLACE\r\n",
            "a UID REPLACE 4294967296 x {2+}\r\nhi\r\n",
            "a REPLACE 1 x {2+}\r\nhi {2+}\r\nho\r\n", "a UID UID REPLACE 1 x {2+}\r\nhi\r\n",
        ] {
            let heard = events(of: wrong + "b NOOP\r\n")
            #expect(failure(wrong)?.tag == "a", "\(wrong)")
            #expect(!heard.contains(.appendEnd), "\(wrong)")
            #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)), "\(wrong)")
        }
    }

    @Test("APPEND without a message says what is missing")
    func appendWithoutMessage() {
        #expect(failure("a APPEND x\r\n")?.problem == .invalid(expected: "a space"))
        #expect(failure("a APPEND x (\\Seen) y\r\n")?.problem == .invalid(expected: "a literal"))
        #expect(failure("a APPEND x (\\Bad {5}\r\n")?.tag == "a")
        #expect(failure("a APPEND x \"31-Feb-2020 00:00:00 +0000\" {5}\r\n")?.tag == "a")
    }
}
