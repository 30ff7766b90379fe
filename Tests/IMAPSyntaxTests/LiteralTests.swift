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

    @Test("An APPEND that goes on behind its message is refused, and what follows is understood")
    func appendWithMore() {
        let heard = events(of: "a APPEND x {2+}\r\nhi (\\Seen) {3+}\r\nyou {2}\r\nb NOOP\r\n")
        #expect(heard.count == 5)
        guard heard.count == 5, case .invalid(let failure) = heard[3] else { return }
        #expect(failure.tag == "a")
        #expect(heard[4] == .command(TaggedCommand(tag: "b", command: .noop)))
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

    @Test("APPEND without a message says what is missing")
    func appendWithoutMessage() {
        #expect(failure("a APPEND x\r\n")?.problem == .invalid(expected: "a space"))
        #expect(failure("a APPEND x (\\Seen) y\r\n")?.problem == .invalid(expected: "a literal"))
        #expect(failure("a APPEND x (\\Bad {5}\r\n")?.tag == "a")
        #expect(failure("a APPEND x \"31-Feb-2020 00:00:00 +0000\" {5}\r\n")?.tag == "a")
    }
}
