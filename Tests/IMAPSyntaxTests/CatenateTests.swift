import NIOCore
import TestRandomness
import Testing

@testable import IMAPSyntax

/// CATENATE in APPEND and REPLACE (RFC 4469).
@Suite("CATENATE")
struct CatenateTests {
    private static func text(_ octets: Int, isUTF8: Bool = false) -> AppendPart {
        .text(LiteralHeader(octets: octets, isSynchronizing: false, isBinary: isUTF8), isUTF8: isUTF8)
    }

    @Test("Parts come one by one, and other messages behind them")
    func parts() {
        let heard = events(
            of: """
                a APPEND x (\\Seen) CATENATE (URL /y/;UID=1 text {2+}\r
                hi Url "/z/;UID=2") {3+}\r
                you CATENATE (UTF8 (~{1+}\r
                !) URL {9+}\r
                /y/;UID=3)\r
                b NOOP\r

                """)
        #expect(
            heard == [
                .append(
                    AppendCommand(tag: "a", mailbox: "x", message: AppendMessage(flags: [.seen], content: .parts))),
                .appendPart(.url("/y/;UID=1")), .appendPart(Self.text(2)), .messageOctets(ByteBuffer("hi")),
                .messageEnd, .appendPart(.url("/z/;UID=2")),
                .appendNext(AppendMessage(literal: LiteralHeader(octets: 3, isSynchronizing: false))),
                .messageOctets(ByteBuffer("you")), .messageEnd, .appendNext(AppendMessage(content: .parts)),
                .appendPart(Self.text(1, isUTF8: true)), .messageOctets(ByteBuffer("!")), .messageEnd,
                .appendPart(.url("/y/;UID=3")), .appendEnd, .command(TaggedCommand(tag: "b", command: .noop)),
            ])
    }

    @Test("Without a literal the command is whole at once; with a mailbox as one, too")
    func withoutLiteral() {
        for text in [
            "a UID REPLACE 3 x CATENATE (URL \"/y/;UID=1\")\r\n",
            "a UID REPLACE 3 {1+}\r\nx CATENATE (URL {9+}\r\n/y/;UID=1)\r\n",
        ] {
            let heard = events(of: text + "b NOOP\r\n")
            #expect(
                heard == [
                    .append(
                        AppendCommand(
                            tag: "a", replaced: ReplacedMessage(numbering: .uids, number: 3), mailbox: "x",
                            message: AppendMessage(content: .parts))),
                    .appendPart(.url("/y/;UID=1")), .appendEnd, .command(TaggedCommand(tag: "b", command: .noop)),
                ])
            #expect(events(of: pieces(of: ByteBuffer(text + "b NOOP\r\n"), size: 1)) == heard)
        }
    }

    @Test("A client that waits is asked for each literal, a URL's too")
    func synchronizing() {
        var parser = CommandParser()
        func next(_ octets: String) -> CommandEvent {
            parser.feed(ByteBuffer(octets))
            return parser.next()
        }
        guard case .append = next("a APPEND x CATENATE (URL {9}\r\n") else {
            Issue.record("not an APPEND")
            return
        }
        #expect(parser.next() == .literal(tag: "a", LiteralHeader(octets: 9)))
        #expect(parser.next() == .needMore)
        #expect(next("/y/;UID=1") == .appendPart(.url("/y/;UID=1")))
        #expect(next(" TEXT {2}\r\n") == .appendPart(.text(LiteralHeader(octets: 2), isUTF8: false)))
        #expect(parser.next() == .needMore)
        #expect(next("hi") == .messageOctets(ByteBuffer("hi")))
        #expect(parser.next() == .messageEnd)
        #expect(next(")\r\n") == .appendEnd)
    }

    static let wrong = [
        "a APPEND x CATENATE ()\r\n", "a APPEND x CATENATE\r\n", "a APPEND x CATENATE (\r\n",
        "a APPEND x CATENATE (FILE \"x\")\r\n", "a APPEND x CATENATE (URL)\r\n", "a APPEND x CATENATE (URL \"x)\r\n",
        "a APPEND x CATENATE (URL /y TEXT \"hi\")\r\n", "a APPEND x CATENATE (URL /y)x\r\n",
        "a APPEND x CATENATE (URL /y  URL /z)\r\n", "a APPEND x CATENATE (URL /y URL /z\r\n",
        "a APPEND x CATENATE (URL /y) \r\n", "a APPEND x CATENATE (URL /y) CATENATE\r\n",
        "a APPEND x CATENATE ( URL /y)\r\n", "a APPEND x CATENATE (TEXT {2+}\r\nhi\r\n",
        "a APPEND x CATENATE (TEXT {2+}\r\nhiURL /y)\r\n", "a APPEND x CATENATE (UTF8 (~{2+}\r\nhi URL /y)\r\n",
        "a APPEND x CATENATE (UTF8 ({2+}\r\nhi))\r\n", "a APPEND x CATENATE (URL {2+}\r\n\u{0}x)\r\n",
        "a APPEND x CATENATE (FILE {2}\r\n", "a APPEND x CATENATE (FILE {2+}\r\nhi TEXT {3+}\r\nyou)\r\n",
        "a REPLACE 1 x CATENATE (URL /y) CATENATE (URL /z)\r\n", "a APPEND x CATENATE (URL {9000}\r\n",
    ]

    @Test("What is no CATENATE is refused, and what follows is understood", arguments: wrong)
    func refused(_ text: String) {
        let heard = events(of: text + "b NOOP\r\n")
        let failures = heard.compactMap { if case .invalid(let failure) = $0 { failure } else { nil } }
        #expect(failures.map(\.tag) == ["a"])
        #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)))
        #expect(!heard.contains(.appendEnd))
        #expect(events(of: pieces(of: ByteBuffer(text + "b NOOP\r\n"), size: 1)) == heard)
    }

    @Test(
        "A part that the server refuses: nothing comes from a client that waits, what another sends is skipped",
        arguments: [
            "URL /y)\r\n", "URL /y TEXT {2}\r\n", "URL /y TEXT {2+}\r\nhi URL /z)\r\n",
            "URL /y) {2+}\r\nhi CATENATE (TEXT {3+}\r\nyou)\r\n", "URL /y URL {2}\r\n", "URL /y URL {2+}\r\nhi)\r\n",
            "TEXT {2}\r\n", "TEXT {2+}\r\nhi URL /y)\r\n", "TEXT {2+}\r\nhi TEXT {2}\r\n",
            "UTF8 (~{2+}\r\nhi) TEXT {3+}\r\nyou)\r\n",
        ])
    func refusedPart(_ parts: String) {
        let text = "a APPEND x CATENATE (" + parts + "b NOOP\r\n"
        func refuse(_ parser: inout CommandParser, _ event: CommandEvent) {
            if case .appendPart = event { parser.refuseLiteral() }
        }
        let heard = events(of: text, react: refuse)
        #expect(heard.count == 3 && heard.last == .command(TaggedCommand(tag: "b", command: .noop)))
        #expect(events(of: pieces(of: ByteBuffer(text), size: 1), react: refuse) == heard)
    }

    @Test("Each limit")
    func limits() {
        func failure(_ text: String, _ change: (inout ParsingLimits) -> Void) -> SyntaxProblem? {
            var limits = ParsingLimits()
            change(&limits)
            let heard = events(of: text + "b NOOP\r\n", limits: limits)
            #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)), "\(text)")
            return heard.compactMap { if case .invalid(let failure) = $0 { failure.problem } else { nil } }.first
        }
        let many = String(repeating: " URL /y", count: 4).dropFirst()
        #expect(failure("a APPEND x CATENATE (\(many))\r\n") { $0.listItems = 3 } == .beyondLimit(.listItems))
        #expect(failure("a APPEND x CATENATE (\(many))\r\n") { $0.listItems = 4 } == nil)
        #expect(
            failure("a APPEND x CATENATE (TEXT {4+}\r\n1234)\r\n") { $0.messageOctets = 3 }
                == .beyondLimit(.messageOctets))
        #expect(
            failure("a APPEND x CATENATE (TEXT {4+}\r\n1234)\r\n") { $0.nonSynchronizingOctets = 3 }
                == .beyondLimit(.nonSynchronizingOctets))
        #expect(
            failure("a APPEND x CATENATE (URL {4+}\r\n1234)\r\n") { $0.literalOctets = 3 }
                == .beyondLimit(.literalOctets))
        let long = String(repeating: "x", count: 60)
        #expect(
            failure("a APPEND x CATENATE (TEXT {2+}\r\nhi URL /\(long))\r\n") { $0.lineOctets = 50 }
                == .beyondLimit(.lineOctets))
    }

    @Test("Printed and read again", arguments: [LiteralStyle.synchronizing, .nonSynchronizing])
    func roundTrip(literals: LiteralStyle) {
        var generator = SeededGenerator(seed: 4469)
        let printer = CommandPrinter(encoding: .modifiedUTF7, literals: literals)
        for _ in 0..<300 {
            let replaced = generator.replacedMessage()
            let messages = generator.array(1...(replaced == nil ? 3 : 1)) { generator in
                var message = generator.appendMessage(octets: 0, literals)
                message.content = .parts
                return (message, generator.array(1...4) { $0.appendPart(literals) })
            }
            let head = AppendCommand(
                tag: generator.tag(), replaced: replaced, mailbox: generator.mailbox(), message: messages[0].0)
            var printed = printer.print(append: head)
            var expected: [CommandEvent] = [.append(head)]
            for (index, (message, parts)) in messages.enumerated() {
                for (number, (part, octets)) in parts.enumerated() {
                    printed += printer.print(part: part, isFirst: number == 0)
                    expected.append(.appendPart(part))
                    guard case .text = part else { continue }
                    printed += [octets, printer.print(afterText: part)]
                    if octets.readableBytes > 0 { expected.append(.messageOctets(octets)) }
                    expected.append(.messageEnd)
                }
                let next = index + 1 < messages.count ? messages[index + 1].0 : nil
                printed.append(printer.print(after: message, next: next))
                expected.append(next.map { .appendNext($0) } ?? .appendEnd)
            }
            let octets = joined(printed)
            for size in [1, 5, octets.readableBytes] {
                let heard = events(of: pieces(of: octets, size: size)).filter {
                    if case .literal = $0 { false } else { true }
                }
                #expect(heard == expected)
            }
        }
    }
}
