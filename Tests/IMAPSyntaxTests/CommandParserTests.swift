import NIOCore
import Testing

@testable import IMAPSyntax

@Suite("Reading commands")
struct CommandParserTests {
    // MARK: Forms

    @Test("Case does not matter")
    func caseInsensitive() {
        #expect(command("a1 nOoP\r\n") == .noop)
        #expect(command("a1 uid fEtCh 1:* (bODy.pEEk[hEAder.fIElds (From)]<0.5>)\r\n") != nil)
        #expect(command("a1 select iNbOx\r\n") == .select(SelectCommand(.inbox)))
    }

    @Test("LOGIN with atoms, quoted strings and literals is the same")
    func loginForms() {
        let expected = Command.login(LoginCommand(user: ByteBuffer("fred"), password: ByteBuffer("pa\"ss")))
        #expect(command("a LOGIN fred \"pa\\\"ss\"\r\n") == expected)
        #expect(command("a LOGIN {4}\r\nfred {5}\r\npa\"ss\r\n") == expected)
        #expect(command("a LOGIN {4+}\r\nfred {5+}\r\npa\"ss\r\n") == expected)
        #expect(command("a LOGIN \"\" {0}\r\n\r\n") == .login(LoginCommand(user: ByteBuffer(), password: ByteBuffer())))
    }

    @Test("Mailbox names are modified UTF-7 or UTF-8, as the session has it")
    func mailboxEncodings() {
        #expect(command("a SELECT \"Entw&APw-rfe\"\r\n") == .select(SelectCommand("Entwürfe")))
        #expect(command("a SELECT \"Entwürfe\"\r\n", encoding: .utf8) == .select(SelectCommand("Entwürfe")))
        #expect(command("a SELECT {9+}\r\nEntwürfe\r\n", encoding: .utf8) == .select(SelectCommand("Entwürfe")))
        #expect(command("a SELECT A&B\r\n", encoding: .utf8) == .select(SelectCommand("A&B")))
        #expect(failure("a SELECT A&B\r\n")?.problem == .invalidMailboxName)
        #expect(failure("a SELECT A&B\r\n")?.response.condition == .no)
        #expect(failure("a SELECT {2+}\r\n\u{7}x\r\n", encoding: .utf8)?.problem == .invalidMailboxName)
    }

    @Test("8-bit octets in a quoted string are BAD before UTF-8 is enabled (RFC 9051, 4.3)")
    func eightBitQuoted() {
        let refused = failure("a SELECT \"Entwürfe\"\r\n")
        #expect(refused?.response.condition == .bad)
        #expect(refused?.tag == "a")
        var octets = ByteBuffer("a SELECT \"")
        octets.writeBytes([0xFF, 0xFE])
        octets.writeString("\"\r\n")
        #expect(events(of: [octets], encoding: .utf8).count == 1)
        guard case .invalid? = events(of: [octets], encoding: .utf8).first else {
            Issue.record("what is not UTF-8 was taken")
            return
        }
    }

    @Test("NUL stands in no literal but literal8")
    func nulInLiteral() {
        #expect(failure("a LOGIN {3+}\r\na\0b x\r\n")?.tag == "a")
        #expect(failure("a LOGIN ~{3+}\r\na\0b x\r\n")?.tag == "a")
    }

    @Test("SEARCH knows every key")
    func searchKeys() {
        let text =
            "a SEARCH ALL ANSWERED BCC x BEFORE 1-Feb-1994 BODY x CC x DELETED DRAFT FLAGGED FROM x "
            + "HEADER Subject \"\" "
            + "KEYWORD $Junk LARGER 5 NEW NOT SEEN OLD ON 01-Feb-1994 OR SEEN (DRAFT 1:3) RECENT SEEN SENTBEFORE "
            + "\"1-Feb-1994\" SENTON 1-Feb-1994 SENTSINCE 1-Feb-1994 SINCE 1-Feb-1994 SMALLER 9223372036854775807 "
            + "SUBJECT x TEXT x TO x UID 1:* UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNKEYWORD $Junk UNSEEN $ *:4,5\r\n"
        guard case .search(let search)? = command(text), let date = CalendarDate(year: 1994, month: 2, day: 1) else {
            Issue.record("not a search: \(String(describing: failure(text)))")
            return
        }
        let x = ByteBuffer("x")
        let set = SequenceSet([SequenceRange(.largest, 4), SequenceRange(5)])
        #expect(
            search.keys == [
                .all, .flag(.answered), .field(.bcc, x), .date(.internal, .before, date), .body(x), .field(.cc, x),
                .flag(.deleted), .flag(.draft), .flag(.flagged), .field(.from, x), .header("Subject", ByteBuffer()),
                .flag(Flag("$Junk")), .larger(5), .new, .not(.flag(.seen)), .notFlag(.recent),
                .date(.internal, .on, date),
                .or(.flag(.seen), .and([.flag(.draft), .sequence(.set(SequenceSet(SequenceRange(1, 3))))])),
                .flag(.recent), .flag(.seen), .date(.sent, .before, date), .date(.sent, .on, date),
                .date(.sent, .since, date), .date(.internal, .since, date), .smaller(9_223_372_036_854_775_807),
                .field(.subject, x), .text(x), .field(.to, x), .uid(.set(.all)), .notFlag(.answered),
                .notFlag(.deleted), .notFlag(.draft), .notFlag(.flagged), .notFlag(Flag("$Junk")), .notFlag(.seen),
                .sequence(.savedResult), .sequence(set.map { .set($0) } ?? .savedResult),
            ])
    }

    @Test("SEARCH takes RETURN and CHARSET")
    func searchReturn() {
        #expect(
            command("a UID SEARCH RETURN (MIN MAX ALL COUNT SAVE) CHARSET utf-8 ALL\r\n")
                == .search(
                    SearchCommand(
                        numbering: .uids, returns: [.min, .max, .all, .count, .save], charset: "UTF-8", keys: [.all])))
        #expect(
            command("a SEARCH RETURN () SEEN\r\n")
                == .search(SearchCommand(numbering: .sequenceNumbers, returns: [], keys: [.flag(.seen)])))
        #expect(failure("a SEARCH RETURN (NOISE) SEEN\r\n") != nil)
        #expect(failure("a SEARCH\r\n") != nil)
        #expect(failure("a SEARCH OR SEEN\r\n") != nil)
        #expect(failure("a SEARCH ()\r\n") != nil)
    }

    @Test(
        "FETCH knows every attribute",
        arguments: [
            ("ENVELOPE", FetchAttribute.envelope), ("FLAGS", .flags), ("INTERNALDATE", .internalDate), ("UID", .uid),
            ("RFC822", .rfc822), ("RFC822.HEADER", .rfc822Header), ("RFC822.TEXT", .rfc822Text),
            ("RFC822.SIZE", .rfc822Size), ("BODY", .body), ("BODYSTRUCTURE", .bodyStructure),
            ("BODY[]", .section(.whole, peek: false, partial: nil)),
            ("BODY.PEEK[]<0.2048>", .section(.whole, peek: true, partial: PartialRange(offset: 0, count: 2048))),
            ("BODY[1.2.MIME]", .section(BodySection(part: [1, 2], text: .mime), peek: false, partial: nil)),
            ("BODY[4.1.HEADER]", .section(BodySection(part: [4, 1], text: .header), peek: false, partial: nil)),
            ("BODY[TEXT]", .section(BodySection(text: .text), peek: false, partial: nil)),
            ("BODY[3]", .section(BodySection(part: [3]), peek: false, partial: nil)),
            (
                "BODY[HEADER.FIELDS (From \"To\")]",
                .section(BodySection(text: .headerFields(["From", "To"])), peek: false, partial: nil)
            ),
            (
                "BODY.PEEK[2.HEADER.FIELDS.NOT (X)]",
                .section(BodySection(part: [2], text: .headerFieldsNot(["X"])), peek: true, partial: nil)
            ),
            ("BINARY[1.2]", .binary(part: [1, 2], peek: false, partial: nil)),
            ("BINARY.PEEK[1]<5.7>", .binary(part: [1], peek: true, partial: PartialRange(offset: 5, count: 7))),
            ("BINARY[]", .binary(part: [], peek: false, partial: nil)), ("BINARY.SIZE[2]", .binarySize(part: [2])),
            ("EMAILID", .emailID), ("threadid", .threadID), ("SaveDate", .saveDate),
        ])
    func fetchAttributes(text: String, attribute: FetchAttribute) {
        let expected = FetchCommand(
            numbering: .sequenceNumbers, messages: .set(SequenceSet(SequenceRange(1))), attributes: [attribute])
        #expect(command("a FETCH 1 \(text)\r\n") == .fetch(expected))
        #expect(command("a FETCH 1 (\(text))\r\n") == .fetch(expected))
    }

    @Test(
        "FETCH's macros stand for what they say",
        arguments: [("ALL", FetchAttribute.all), ("fast", FetchAttribute.fast), ("Full", FetchAttribute.full)])
    func fetchMacros(name: String, attributes: [FetchAttribute]) {
        #expect(
            command("a UID FETCH $ \(name)\r\n")
                == .fetch(FetchCommand(numbering: .uids, messages: .savedResult, attributes: attributes)))
    }

    @Test(
        "Wrong FETCHes are refused",
        arguments: [
            "FETCH 1", "FETCH 0 FLAGS", "FETCH 1 (ALL)", "FETCH 1 ()", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[0]",
            "FETCH 1 BODY[1.]", "FETCH 1 BODY[]<0.0>", "FETCH 1 BODY[]<5>", "FETCH 1 BODY.PEEK", "FETCH 1 (FLAGS  UID)",
            "FETCH 1 FLAGS UID", "FETCH 1: FLAGS", "FETCH 1,,2 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 01 FLAGS",
            "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BINARY[1.MIME]", "FETCH 1 (FLAGS", "FETCH 1 FLAGS)",
        ])
    func wrongFetches(text: String) {
        let refused = failure("a7 \(text)\r\n")
        #expect(refused?.tag == "a7")
        #expect(refused?.response.condition == .bad)
    }

    @Test("STORE in all its forms")
    func store() {
        let set = MessageSet.set(SequenceSet(SequenceRange(2, 4)))
        #expect(
            command("a STORE 2:4 +FLAGS (\\Deleted)\r\n")
                == .store(
                    StoreCommand(numbering: .sequenceNumbers, messages: set, operation: .add, flags: [.deleted])))
        #expect(
            command("a UID STORE 2:4 -flags.silent \\seen $Junk\r\n")
                == .store(
                    StoreCommand(
                        numbering: .uids, messages: set, operation: .remove, isSilent: true,
                        flags: [.seen, Flag("$junk")])))
        #expect(
            command("a STORE 2:4 FLAGS ()\r\n")
                == .store(StoreCommand(numbering: .sequenceNumbers, messages: set, operation: .replace, flags: [])))
        #expect(failure("a STORE 1 +FLAGS \\Recent\r\n") != nil)
        #expect(failure("a STORE 1 FLAGS \\*\r\n") != nil)
        #expect(failure("a STORE 1 +FLAGSX (\\Seen)\r\n") != nil)
    }

    @Test("LIST, basic and extended")
    func list() {
        #expect(command("a LIST \"\" %/f*]\r\n") == .list(ListCommand(patterns: ["%/f*]"])))
        #expect(
            command(
                "a LIST (SUBSCRIBED RECURSIVEMATCH REMOTE SPECIAL-USE) \"\" (a \"b c\") RETURN (CHILDREN SUBSCRIBED "
                    + "SPECIAL-USE STATUS (MESSAGES SIZE))\r\n")
                == .list(
                    ListCommand(
                        selection: [.subscribed, .recursiveMatch, .remote, .specialUse], patterns: ["a", "b c"],
                        returns: [.children, .subscribed, .specialUse, .status([.messages, .size])])))
        guard case .list(let delimiter)? = command("a LIST x \"\"\r\n"),
            case .list(let extended)? = command("a LIST x (\"\")\r\n")
        else {
            Issue.record("not a LIST")
            return
        }
        #expect(delimiter.asksForDelimiter && !extended.asksForDelimiter && extended.isExtended)
        #expect(failure("a LIST (RECURSIVEMATCH) \"\" *\r\n") != nil)
        #expect(failure("a LIST (REMOTE RECURSIVEMATCH) \"\" *\r\n") != nil)
        #expect(failure("a LIST (NOISE) \"\" *\r\n") != nil)
        #expect(failure("a LIST \"\" * RETURN (STATUS ())\r\n") != nil)
        #expect(failure("a LIST \"\" * RETURN\r\n") != nil)
    }

    @Test("CREATE takes a special use (RFC 6154, 3)")
    func createWithUse() {
        #expect(
            command("a CREATE Sent (USE (\\sent \\Drafts))\r\n")
                == .create(CreateCommand(mailbox: "Sent", specialUse: [.sent, .drafts])))
    }

    @Test("ID with fields and with NIL (RFC 2971)")
    func id() {
        #expect(command("a ID NIL\r\n") == .id(nil))
        #expect(
            command("a ID (\"name\" \"x\" \"os\" NIL)\r\n")
                == .id(IDParameters([IDParameters.Field("name", "x"), IDParameters.Field("os", nil)])))
        let many = (0..<31).map { "\"f\($0)\" NIL" }.joined(separator: " ")
        #expect(failure("a ID (\(many))\r\n")?.problem == .beyondLimit(.listItems))
    }

    // MARK: AUTHENTICATE, IDLE, STARTTLS

    @Test("AUTHENTICATE with and without an initial response (RFC 4959)")
    func authenticate() {
        #expect(
            command("a AUTHENTICATE plain AGZyZWQAcGFzcw==\r\n")
                == .authenticate(AuthenticateCommand(mechanism: "PLAIN", initialResponse: ByteBuffer("\0fred\0pass"))))
        #expect(
            command("a AUTHENTICATE EXTERNAL =\r\n")
                == .authenticate(AuthenticateCommand(mechanism: "EXTERNAL", initialResponse: ByteBuffer())))
        #expect(failure("a AUTHENTICATE PLAIN AGZ\r\n") != nil)
        #expect(failure("a AUTHENTICATE PLAIN \r\n") != nil)
    }

    @Test("A line after a challenge is a response, one that gives up, or malformed")
    func authenticationLines() {
        let start = "a AUTHENTICATE PLAIN\r\n"
        func line(_ text: String) -> CommandEvent? { events(of: start + text).dropFirst().first }
        #expect(line("AGE=\r\n") == .authenticationLine(.response(ByteBuffer("\0a"))))
        #expect(line("\r\n") == .authenticationLine(.response(ByteBuffer())))
        #expect(line("*\r\n") == .authenticationLine(.cancelled))
        #expect(line("AGE\r\n") == .authenticationLine(.malformed))
        #expect(line("AGF=\r\n") == .authenticationLine(.malformed))
        #expect(line("AGE=\n") == .authenticationLine(.malformed))
        #expect(events(of: start + "AGE=\r\nb NOOP\r\n").last == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test("IDLE ends with DONE in any case, and with nothing else")
    func idle() {
        #expect(events(of: "a IDLE\r\ndone\r\n").last == .idleEnd)
        let heard = events(of: "a IDLE\r\nb NOOP\r\nc NOOP\r\n")
        #expect(heard.count == 3)
        guard heard.count == 3, case .invalid(let failure) = heard[1] else {
            Issue.record("IDLE ended with something else")
            return
        }
        #expect(failure.problem == .invalid(expected: "DONE"))
    }

    @Test("What was sent before TLS begins is dropped")
    func abandon() {
        var parser = CommandParser()
        parser.feed(ByteBuffer("a STARTTLS\r\nb LOGIN x y\r\nc LOG"))
        #expect(parser.next() == .command(TaggedCommand(tag: "a", command: .startTLS)))
        parser.abandon()
        #expect(parser.next() == .needMore)
        parser.feed(ByteBuffer("d NOOP\r\n"))
        #expect(parser.next() == .command(TaggedCommand(tag: "d", command: .noop)))
    }

    @Test("Encoding and limits changed between two commands apply to the second")
    func changesApplyToWhatFollows() {
        let heard = events(of: "a ENABLE IMAP4rev2\r\nb SELECT \"ü\"\r\n") { parser, event in
            if case .command(let command) = event, case .enable = command.command { parser.encoding = .utf8 }
        }
        #expect(heard.last == .command(TaggedCommand(tag: "b", command: .select(SelectCommand("ü")))))
    }

    // MARK: Lines

    @Test(
        "Lines that are no commands are refused, with the tag if there is one",
        arguments: [
            ("\r\n", nil), (" \r\n", nil), ("a\r\n", "a"), ("a \r\n", "a"), ("+ NOOP\r\n", nil), ("a+ NOOP\r\n", nil),
            ("a  NOOP\r\n", "a"), ("a NOOP \r\n", "a"), ("a NOOP x\r\n", "a"), ("a NOOP\n", "a"), ("a NO\rOP\r\n", "a"),
            ("a NOOP\r\r\n", "a"), ("GET / HTTP/1.1\r\n", "GET"), ("a UID NOOP\r\n", "a"), ("a UID\r\n", "a"),
            ("a SELECT \"x\r\n", "a"), ("a SELECT \"\\x\"\r\n", "a"), ("a SELECT\tx\r\n", "a"), ("\u{0}\r\n", nil),
        ] as [(String, String?)])
    func refusedLines(text: String, tag: String?) {
        let heard = events(of: text + "b NOOP\r\n")
        #expect(heard.count == 2)
        guard case .invalid(let failure)? = heard.first else {
            Issue.record("was understood")
            return
        }
        #expect(failure.tag == tag)
        #expect(!failure.mustClose)
        #expect(heard.last == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test("Braces before a bare LF: octets that the client does not wait with are skipped")
    func bareLineFeed() {
        #expect(
            events(of: "a LOGIN {4+}\nb NO\r\nc NOOP\r\n").last == .command(TaggedCommand(tag: "c", command: .noop)))
        #expect(events(of: "a LOGIN {4}\nb NOOP\r\n").last == .command(TaggedCommand(tag: "b", command: .noop)))
    }

    @Test(
        "Dates that do not exist are refused",
        arguments: ["30-Feb-2020", "0-Jan-2020", "32-Jan-2020", "1-Foo-2020", "1-Jan-20"])
    func wrongDates(text: String) {
        #expect(failure("a SEARCH ON \(text)\r\n") != nil)
    }
}
