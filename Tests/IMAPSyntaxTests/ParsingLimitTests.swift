import NIOCore
import Testing

@testable import IMAPSyntax

/// Each limit is reached, reported with the tag, and leaves the next command whole, however the octets are split.
@Suite("Limits of commands")
struct ParsingLimitTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var limit: ParsingLimit
        var within: String
        var beyond: String
        var testDescription: String { limit.rawValue }
    }

    static let limits: ParsingLimits = {
        var limits = ParsingLimits()
        limits.lineOctets = 200
        limits.literalOctets = 20
        limits.commandLiteralOctets = 30
        limits.literals = 3
        limits.nonSynchronizingOctets = 10
        limits.messageOctets = 15
        limits.skippedOctets = 100
        limits.tagOctets = 8
        limits.searchDepth = 4
        limits.searchKeys = 10
        limits.sequenceRanges = 5
        limits.listItems = 6
        limits.sectionDepth = 3
        return limits
    }()

    static let cases: [Case] = [
        Case(limit: .lineOctets, within: line(of: 200), beyond: line(of: 201)),
        Case(limit: .lineOctets, within: line(of: 199), beyond: line(of: 5000)),
        Case(
            limit: .literalOctets, within: "a SEARCH TEXT {20}\r\n" + text(20) + "\r\n",
            beyond: "a SEARCH TEXT {21}\r\n"),
        Case(
            limit: .literalOctets, within: "a SEARCH TEXT {10+}\r\n" + text(10) + "\r\n",
            beyond: "a SEARCH TEXT {21+}\r\n" + text(21) + " SEEN\r\n"),
        Case(
            limit: .nonSynchronizingOctets, within: "a SEARCH TEXT {10+}\r\n" + text(10) + "\r\n",
            beyond: "a SEARCH TEXT {11+}\r\n" + text(11) + "\r\n"),
        Case(
            limit: .nonSynchronizingOctets, within: "a APPEND x {10+}\r\n" + text(10) + "\r\n",
            beyond: "a APPEND x {11+}\r\n" + text(11) + "\r\n"),
        Case(
            limit: .commandLiteralOctets,
            within: "a SEARCH TEXT {20}\r\n" + text(20) + " TEXT {10+}\r\n" + text(10) + "\r\n",
            beyond: "a SEARCH TEXT {20}\r\n" + text(20) + " TEXT {5+}\r\n" + text(5) + " TEXT {6+}\r\n" + text(6)
                + "\r\n"),
        Case(
            limit: .literals, within: "a SEARCH TEXT {1+}\r\nx TEXT {1+}\r\nx TEXT {1+}\r\nx\r\n",
            beyond: "a SEARCH TEXT {1+}\r\nx TEXT {1+}\r\nx TEXT {1+}\r\nx TEXT {1+}\r\nx\r\n"),
        Case(
            limit: .messageOctets, within: "a APPEND x {15}\r\n" + text(15) + "\r\n", beyond: "a APPEND x {16}\r\n"),
        Case(
            limit: .messageOctets, within: "a APPEND x {10+}\r\n" + text(10) + "\r\n",
            beyond: "a APPEND x {16+}\r\n" + text(16) + "\r\n"),
        Case(
            limit: .searchDepth, within: "a SEARCH NOT NOT NOT NOT SEEN\r\n",
            beyond: "a SEARCH NOT NOT NOT NOT NOT SEEN\r\n"),
        Case(
            limit: .searchDepth, within: "a SEARCH ((((SEEN))))\r\n",
            beyond: "a SEARCH " + String(repeating: "(", count: 150) + "\r\n"),
        Case(
            limit: .searchKeys, within: "a SEARCH" + String(repeating: " SEEN", count: 10) + "\r\n",
            beyond: "a SEARCH" + String(repeating: " SEEN", count: 11) + "\r\n"),
        Case(limit: .sequenceRanges, within: "a COPY 1,2,3,4,5 x\r\n", beyond: "a COPY 1,2,3,4,5,6 x\r\n"),
        Case(
            limit: .listItems, within: "a FETCH 1 (UID UID UID UID UID UID)\r\n",
            beyond: "a FETCH 1 (UID UID UID UID UID UID UID)\r\n"),
        Case(
            limit: .listItems, within: "a STORE 1 FLAGS a b c d e f\r\n", beyond: "a STORE 1 FLAGS a b c d e f g\r\n"),
        Case(limit: .listItems, within: "a ENABLE A B C D E F\r\n", beyond: "a ENABLE A B C D E F G\r\n"),
        Case(
            limit: .listItems, within: "a LIST \"\" (a b c d e f)\r\n", beyond: "a LIST \"\" (a b c d e f g)\r\n"),
        Case(limit: .sectionDepth, within: "a FETCH 1 BODY[1.2.3]\r\n", beyond: "a FETCH 1 BODY[1.2.3.4]\r\n"),
    ]

    private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    private static func line(of octets: Int) -> String {
        let head = "a SEARCH TEXT \""
        return head + text(octets - head.utf8.count - 3) + "\"\r\n"
    }

    @Test("Within it is understood; beyond it is refused, and the next command understood", arguments: cases)
    func reached(example: Case) {
        let noop = "z NOOP\r\n"
        let last = CommandEvent.command(TaggedCommand(tag: "z", command: .noop))
        let within = events(of: example.within + noop, limits: ParsingLimitTests.limits)
        #expect(within.last == last)
        #expect(!within.contains { if case .invalid = $0 { true } else { false } })

        let octets = ByteBuffer(string: example.beyond + noop)
        let beyond = events(of: [octets], limits: ParsingLimitTests.limits)
        #expect(beyond.last == last)
        let failures = beyond.compactMap { event -> InvalidCommand? in
            if case .invalid(let failure) = event { failure } else { nil }
        }
        #expect(failures.count == 1)
        #expect(failures.first?.problem == .beyondLimit(example.limit))
        #expect(failures.first?.tag == "a")
        for size in [1, 2, 3, 50] {
            #expect(events(of: pieces(of: octets, size: size), limits: ParsingLimitTests.limits) == beyond)
        }
    }

    @Test("A tag that is too long is not repeated")
    func longTag() {
        let refused = failure("123456789 NOOP\r\n", limits: ParsingLimitTests.limits)
        #expect(refused?.problem == .beyondLimit(.tagOctets))
        #expect(refused?.tag == nil)
        #expect(failure("12345678 NOOP\r\n", limits: ParsingLimitTests.limits) == nil)
    }

    @Test("A line without end is dropped as it comes")
    func endlessLine() {
        var parser = CommandParser(limits: ParsingLimitTests.limits)
        var failures = 0
        for _ in 0..<1000 {
            parser.feed(ByteBuffer(repeating: UInt8(ascii: "x"), count: 100))
            while true {
                let event = parser.next()
                if event == .needMore { break }
                failures += 1
            }
            #expect(parser.bufferedOctets <= 300)
        }
        #expect(failures == 1)
    }

    @Test("A refused literal that is skipped is not kept")
    func skippedLiteral() {
        var limits = ParsingLimitTests.limits
        limits.skippedOctets = 1 << 20
        var parser = CommandParser(limits: limits)
        parser.feed(ByteBuffer("a APPEND x {100000+}\r\n"))
        #expect(parser.next() != .needMore)
        for _ in 0..<1000 {
            parser.feed(ByteBuffer(repeating: 0, count: 100))
            #expect(parser.next() == .needMore)
            #expect(parser.bufferedOctets == 0)
        }
        parser.feed(ByteBuffer("\r\nb NOOP\r\n"))
        #expect(parser.next() == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test(
        "A refused literal that is too large to skip ends the session with BYE (RFC 7888, 4)",
        arguments: [
            "a APPEND x {101+}\r\n", "a SEARCH TEXT {9223372036854775807+}\r\n",
            "a SEARCH TEXT {99999999999999999999999999+}\r\n", "a SEARCH TEXT {10000000000000000000000+}\r\n",
            "a APPEND x {60+}\r\n" + text(60) + " {60+}\r\n",
        ])
    func tooLargeToSkip(text: String) {
        let heard = events(of: text + "b NOOP\r\n", limits: ParsingLimitTests.limits)
        guard case .invalid(let failure)? = heard.last else {
            Issue.record("the session went on")
            return
        }
        #expect(failure.mustClose)
        #expect(failure.response.condition == .bye)
    }

    @Test("An authentication line beyond its limit is malformed, and dropped")
    func authenticationLine() {
        var limits = ParsingLimits()
        limits.authenticationOctets = 100
        let heard = events(
            of: "a AUTHENTICATE PLAIN\r\n" + String(repeating: "A", count: 5000) + "\r\nb NOOP\r\n", limits: limits)
        #expect(
            heard.dropFirst() == [
                .authenticationLine(.malformed), .command(TaggedCommand(tag: "b", command: .noop)),
            ])
    }

    @Test("A long command that comes octet by octet takes time in proportion to its length")
    func noRescan() {
        // 60,000 octets one by one: rescanning each time would look at 1.8 thousand million.
        var parser = CommandParser()
        let octets = ByteBuffer("a SEARCH TEXT \"" + String(repeating: "\\\\", count: 30_000) + "\"\r\n")
        var found = 0
        for octet in octets.readableBytesView {
            parser.feed(ByteBuffer(bytes: [octet]))
            if parser.next() != .needMore { found += 1 }
        }
        #expect(found == 1)
    }

    @Test("A client's limits: a response beyond them closes")
    func responseLimits() {
        var limits = ParsingLimits.client
        limits.lineOctets = 100
        limits.literalOctets = 10
        limits.nesting = 4
        func last(_ text: String) -> ResponseEvent? { responses(of: [ByteBuffer(text)], limits: limits).last }
        let close = { (limit: ParsingLimit) in
            ResponseEvent.invalid(InvalidResponse(problem: .beyondLimit(limit), position: 0, mustClose: true))
        }
        #expect(last("* OK " + String(repeating: "x", count: 100) + "\r\n") == close(.lineOctets))
        #expect(last(String(repeating: "x", count: 101)) == close(.lineOctets))
        #expect(last("* 1 FETCH (BODY[] {11}\r\n") == close(.literalOctets))
        #expect(last("* 1 FETCH (BODY[] {99999999999999999999}\r\n") == close(.literalOctets))
        #expect(last("* 1 FETCH (BODYSTRUCTURE (((())))\r\n") != nil)
        guard case .invalid(let failure)? = last("* 1 FETCH (BODYSTRUCTURE ((((()))))\r\n") else {
            Issue.record("too deep was understood")
            return
        }
        #expect(failure.problem == .beyondLimit(.nesting))
    }
}
