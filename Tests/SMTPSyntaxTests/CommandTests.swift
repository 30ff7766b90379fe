import NIOCore
import SMTPSyntax
import TestRandomness
import Testing

@Suite struct CommandTests {
    @Test(
        "The examples of the RFCs parse",
        arguments: [
            // RFC 5321, appendix D
            ("EHLO bar.com", Command.ehlo("bar.com")),
            ("MAIL FROM:<Smith@bar.com>", .mail(.mailbox(address("Smith@bar.com")), MailParameters())),
            ("RCPT TO:<Jones@foo.com>", .rcpt(.mailbox(address("Jones@foo.com")), RcptParameters())),
            ("DATA", .data), ("QUIT", .quit), ("RSET", .rset),
            ("RCPT TO:<@foo.com:Jones@XYZ.COM>", .rcpt(.mailbox(address("Jones@XYZ.COM")), RcptParameters())),
            ("VRFY Crispin", .vrfy("Crispin")), ("EXPN Example-People", .expn("Example-People")),
            // RFC 5321, 4.1.1.3
            ("RCPT TO:<Postmaster>", .rcpt(.postmaster, RcptParameters())),
            // RFC 3030, 4
            ("BDAT 86 LAST", .bdat(octets: 86, last: true)), ("BDAT 100000", .bdat(octets: 100_000, last: false)),
            ("BDAT 0 LAST", .bdat(octets: 0, last: true)),
            // RFC 4954, 4.1
            ("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=", .auth(mechanism: "PLAIN", initialResponse: "dGVzdAB0ZXN0ADEyMzQ=")),
            ("AUTH CRAM-MD5", .auth(mechanism: "CRAM-MD5", initialResponse: nil)),
            ("AUTH EXTERNAL =", .auth(mechanism: "EXTERNAL", initialResponse: "=")),
            // RFC 2033, 5
            ("LHLO foo.edu", .lhlo("foo.edu")),
            ("STARTTLS", .starttls), ("NOOP", .noop), ("NOOP whatever", .noop), ("HELP", .help(nil)),
            ("HELP MAIL", .help("MAIL")), ("HELO [192.0.2.1]", .helo("[192.0.2.1]")),
        ])
    func example(line: String, command: Command) throws {
        #expect(try parse(line) == command)
    }

    @Test("Verbs and keywords are taken in any case, blanks at the end and after the colon are forgiven")
    func leniency() throws {
        #expect(try parse("quit  ") == .quit)
        #expect(try parse("mAiL fRoM: <a@b>") == .mail(.mailbox(address("a@b")), MailParameters()))
        #expect(try parse("rcpt to:<postMASTER>") == .rcpt(.postmaster, RcptParameters()))
        #expect(try parse("bdat 1 last") == .bdat(octets: 1, last: true))
        #expect(try parse("ehlo x\t") == .ehlo("x"))
    }

    @Test(
        "What is no command is told apart",
        arguments: [
            ("", CommandError.Problem.unknownVerb), ("FOO", .unknownVerb), ("MAILFROM:<a@b>", .unknownVerb),
            ("DATA\u{0}", .unknownVerb), ("\u{16}\u{3}\u{1}", .unknownVerb), (" EHLO x", .unknownVerb),
            ("GET / HTTP/1.1", .foreignProtocol), ("POST / HTTP/1.1", .foreignProtocol),
            ("CONNECT a:25 HTTP/1.0", .foreignProtocol),
            ("EHLO", .badArguments), ("EHLO a b", .badArguments), ("EHLO a\u{7}b", .badArguments),
            ("DATA now", .badArguments), ("RSET x", .badArguments), ("QUIT x", .badArguments),
            ("STARTTLS x", .badArguments), ("VRFY", .badArguments), ("MAIL <a@b>", .badArguments),
            ("MAIL", .badArguments), ("RCPT FROM:<a@b>", .badArguments),
            ("MAIL FROM:<a@b>SIZE=1", .badArguments), ("MAIL FROM:<a@b> =1", .badArguments),
            ("BDAT", .badArguments), ("BDAT -1", .badArguments), ("BDAT 1LAST", .badArguments),
            ("BDAT 1 FIRST", .badArguments), ("BDAT 99999999999999999999", .badArguments),
            ("BDAT 1 LAST x", .badArguments), ("AUTH", .badArguments), ("AUTH PLAIN a b", .badArguments),
            ("AUTH PLAIN a*", .badArguments), ("AUTH AVERYLONGMECHANISMNAME x", .badArguments),
            ("MAIL FROM:<a@b>\nRCPT TO:<c@d>", .bareNewline), ("NOOP\rQUIT", .bareNewline),
            ("MAIL FROM:a@b", .badAddress), ("MAIL FROM:<a@b", .badAddress), ("MAIL FROM:<a>", .badAddress),
            ("RCPT TO:<>", .badAddress), ("RCPT TO:<@a:>", .badAddress), ("RCPT TO:<a@@b>", .badAddress),
            ("MAIL FROM:<a@b> FOO", .unknownParameter), ("RCPT TO:<a@b> SIZE=1", .unknownParameter),
            ("MAIL FROM:<a@b> XYZ=1", .unknownParameter),
            ("MAIL FROM:<a@b> SIZE=", .badParameterValue), ("MAIL FROM:<a@b> SIZE", .badParameterValue),
            ("MAIL FROM:<a@b> SIZE=1 SIZE=1", .badParameterValue),
            ("MAIL FROM:<a@b> SIZE=999999999999999999999", .badParameterValue),
            ("MAIL FROM:<a@b> SIZE=-5", .badParameterValue), ("MAIL FROM:<a@b> BODY=9BIT", .badParameterValue),
            ("MAIL FROM:<a@b> SMTPUTF8=YES", .badParameterValue), ("MAIL FROM:<a@b> RET=ALL", .badParameterValue),
            ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", .badParameterValue), ("RCPT TO:<a@b> NOTIFY=", .badParameterValue),
            ("RCPT TO:<a@b> ORCPT=a@b", .badParameterValue), ("RCPT TO:<a@b> ORCPT=;x", .badParameterValue),
            ("RCPT TO:<a@b> ORCPT=rfc822;a+4", .badParameterValue),
        ])
    func refused(line: String, expected: CommandError.Problem) {
        #expect(problem(of: line) == expected)
    }

    @Test("Each problem has the reply that RFC 5321, 4.2.4 and RFC 3463 give it")
    func replies() {
        func reply(_ line: String) -> String {
            do throws(CommandError) {
                _ = try parse(line)
                return ""
            } catch {
                return "\(error.reply.code) \(error.reply.enhanced?.description ?? "")"
            }
        }
        #expect(reply("FOO") == "500 5.5.1")
        #expect(reply("DATA x") == "501 5.5.4")
        #expect(reply("MAIL FROM:<a@>") == "501 5.1.7")
        #expect(reply("RCPT TO:<a@>") == "501 5.1.3")
        #expect(reply("MAIL FROM:<a@b> FOO=1") == "555 5.5.4")
        #expect(reply("MAIL FROM:<a@b> SIZE=x") == "501 5.5.4")
        #expect(reply("NOOP\nQUIT") == "500 5.5.2")
        #expect(reply("GET /") == "421 4.7.0")
    }

    @Test("Parameters of MAIL, the examples of RFC 1870, 3030, 3461, 4954, 6531")
    func mailParameters() throws {
        func parameters(_ text: String) throws -> MailParameters {
            guard case .mail(_, let parameters) = try parse("MAIL FROM:<a@b> \(text)") else { return MailParameters() }
            return parameters
        }
        #expect(try parameters("SIZE=500000").size == 500_000)
        #expect(try parameters("body=8bitmime").body == .eightBitMIME)
        #expect(try parameters("BODY=BINARYMIME").body == .binaryMIME)
        #expect(try parameters("BODY=7BIT").body == .sevenBit)
        #expect(try parameters("SMTPUTF8").smtputf8)
        #expect(try parameters("AUTH=e+3Dmc2@example.com").auth == "e=mc2@example.com")
        #expect(try parameters("AUTH=<>").auth == "<>")
        let all = try parameters("RET=HDRS ENVID=QQ314159 SIZE=1 BODY=8BITMIME")
        #expect(all.ret == .headers && all.envid == "QQ314159" && all.size == 1 && all.asksForNotification)
        #expect(problem(of: "MAIL FROM:<a@b> ENVID=" + String(repeating: "x", count: 101)) == .badParameterValue)
    }

    @Test("Parameters of RCPT, the examples of RFC 3461, 10")
    func rcptParameters() throws {
        guard
            case .rcpt(_, let parameters) = try parse(
                "RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana+2B1@Ivory.EDU")
        else {
            Issue.record("no RCPT")
            return
        }
        #expect(parameters.notify == [.success, .failure])
        #expect(parameters.orcpt == OriginalRecipient(addressType: "rfc822", address: "Dana+1@Ivory.EDU"))
        guard case .rcpt(_, let never) = try parse("RCPT TO:<a@b> NOTIFY=NEVER") else { return }
        #expect(never.notify == [])
    }

    @Test("What is printed parses to the same value")
    func printParse() throws {
        var generator = SeededGenerator(seed: 5_321)
        for _ in 0..<5_000 {
            let command = generator.command()
            var buffer = ByteBuffer()
            command.write(to: &buffer)
            var framer = LineFramer()
            guard case .line(let line) = framer.next(&buffer, limit: 8_192) else {
                Issue.record("no line: \(command)")
                return
            }
            #expect(try Command.parse(line) == command)
        }
    }

    @Test("No octets make the parser trap")
    func noise() {
        var generator = SeededGenerator(seed: 42)
        let seeds = [
            "MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME AUTH=<> ENVID=x+41", "RCPT TO:<\"a\\\"b\"@[IPv6:::1]> NOTIFY=DELAY",
            "BDAT 12 LAST", "AUTH PLAIN AGEAYg==", "EHLO [IPv6:2001:db8::1]",
        ]
        for _ in 0..<20_000 {
            var octets = Array(generator.pick(seeds).utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let position = Int.random(in: 0..<octets.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: octets[position] = UInt8.random(in: 0...255, using: &generator)
                case 1: octets.insert(UInt8.random(in: 0...255, using: &generator), at: position)
                default: if octets.count > 1 { octets.remove(at: position) }
                }
            }
            _ = try? Command.parse(ByteBuffer(bytes: octets))
        }
    }
}

/// An address that is right.
func address(_ text: String) -> MailAddress {
    guard let address = MailAddress(text, limits: .receiving) else { preconditionFailure("no address: \(text)") }
    return address
}

extension SeededGenerator {
    mutating func word(_ alphabet: String, _ range: ClosedRange<Int>) -> String {
        let characters = Array(alphabet)
        return String((0..<Int.random(in: range, using: &self)).map { _ in pick(characters) })
    }

    mutating func mailAddress() -> MailAddress {
        let local =
            switch Int.random(in: 0..<4, using: &self) {
            case 0: "\"" + word("ab @.<>,:;()[]", 0...10) + "\\\"\\\\\""
            case 1: word("äöüßπ", 1...8)
            case 2: word("ab!#$%&'*+-/=?^_`{|}~", 1...10) + "." + word("xyz09", 1...5)
            default: word("abcxyz", 1...12)
            }
        let domain =
            switch Int.random(in: 0..<4, using: &self) {
            case 0: "[192.0.2.\(Int.random(in: 0...255, using: &self))]"
            case 1: "[IPv6:2001:db8::\(word("0123456789abcdef", 1...4))]"
            case 2: word("abcß", 1...8) + ".example"
            default: word("abc09", 1...8) + "-x." + word("abc", 1...8)
            }
        return address("\(local)@\(domain)")
    }

    mutating func command() -> Command {
        switch Int.random(in: 0..<12, using: &self) {
        case 0: return .ehlo(word("abc.-", 1...20))
        case 1: return .data
        case 2: return .bdat(octets: Int.random(in: 0...Int.max, using: &self), last: Bool.random(using: &self))
        case 3: return .auth(mechanism: "SCRAM-SHA-256-PLUS", initialResponse: pick([nil, "=", "AGEAYg=="]))
        case 4: return .vrfy("x" + word("abc @", 0...4) + "x")
        case 5: return pick([.rset, .noop, .quit, .starttls, .help(nil), .help("MAIL"), .lhlo("x"), .helo("y")])
        case 6, 7, 8:
            var parameters = MailParameters()
            if Bool.random(using: &self) { parameters.size = Int.random(in: 0...Int.max, using: &self) }
            if Bool.random(using: &self) { parameters.body = pick([.sevenBit, .eightBitMIME, .binaryMIME]) }
            parameters.smtputf8 = Bool.random(using: &self)
            if Bool.random(using: &self) { parameters.auth = pick(["<>", "a=b+c@d", mailAddress().text]) }
            if Bool.random(using: &self) { parameters.ret = pick([.full, .headers]) }
            if Bool.random(using: &self) { parameters.envid = word("ab+= ß", 1...8) }
            if Bool.random(using: &self) {
                parameters.transid = TransID("<\(word("aB1-", 1...8)).x@\(word("aB1-", 1...8))>")
            }
            return .mail(Bool.random(using: &self) ? .null : .mailbox(mailAddress()), parameters)
        default:
            var parameters = RcptParameters()
            if Bool.random(using: &self) {
                parameters.notify = NotifyConditions(rawValue: UInt8.random(in: 0...7, using: &self))
            }
            if Bool.random(using: &self) {
                parameters.orcpt = OriginalRecipient(addressType: "rfc822", address: mailAddress().text)
            }
            return .rcpt(Bool.random(using: &self) ? .postmaster : .mailbox(mailAddress()), parameters)
        }
    }
}
