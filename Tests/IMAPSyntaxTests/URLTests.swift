import NIOCore
import TestRandomness
import Testing

@testable import IMAPSyntax

/// IMAP URLs (RFC 5092; the text is on https://www.rfc-editor.org/rfc/rfc5092).
@Suite("IMAP URLs")
struct URLTests {
    private static func message(
        _ name: MailboxName, validity: UInt32? = nil, uid: UInt32, section: BodySection = .whole,
        partial: IMAPURLPartial? = nil, authorization: IMAPURLAuthorization? = nil
    ) -> IMAPURLTarget {
        .message(
            IMAPURLMessage(
                mailbox: IMAPURLMailbox(name, uidValidity: validity), uid: uid, section: section, partial: partial,
                authorization: authorization))
    }

    private static let expiry = CalendarDate(year: 2006, month: 11, day: 2).flatMap {
        DateTime(date: $0, hour: 14, minute: 30, second: 0, zoneMinutes: -300)
    }

    /// RFC 5092, 3, 6.1 and 9; RFC 4467, 7; RFC 4469, A.
    static let examples: [(String, IMAPURL)] = [
        (
            "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
            IMAPURL(
                .absolute(IMAPURLServer(host: "minbari.example.org")),
                message(
                    "gray-council", validity: 385_759_045, uid: 20, partial: IMAPURLPartial(offset: 0, count: 1024)))
        ),
        (
            "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97",
            IMAPURL(
                .absolute(IMAPURLServer(host: "psicorp.example.org")),
                .messages(in: IMAPURLMailbox("~peter/日本語/台北")))
        ),
        (
            "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
            IMAPURL(
                .absolute(IMAPURLServer(mechanism: "GSSAPI", host: "minbari.example.org")),
                message("gray-council", uid: 20, section: BodySection(part: [1, 2])))
        ),
        (
            "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows",
            IMAPURL(
                .absolute(IMAPURLServer(mechanism: "*", host: "minbari.example.org")),
                .messages(in: IMAPURLMailbox("gray council"), search: Array("SUBJECT shadows".utf8)))
        ),
        (
            """
            imap://john;AUTH=*@minbari.example.org/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D%0D%0A\
            %D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%D0%B0
            """,
            IMAPURL(
                .absolute(IMAPURLServer(user: "john", mechanism: "*", host: "minbari.example.org")),
                .messages(
                    in: IMAPURLMailbox("babylon5/personel"),
                    search: Array("charset UTF-8 SUBJECT {14+}\r\nИванова".utf8)))
        ),
        (
            """
            imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:\
            91354a473744909de610943775f92038
            """,
            IMAPURL(
                .absolute(IMAPURLServer(user: "joe", host: "example.com")),
                message(
                    .inbox, uid: 20, section: BodySection(part: [1, 2]),
                    authorization: IMAPURLAuthorization(
                        access: .submit("fred"),
                        verifier: IMAPURLVerifier(mechanism: "INTERNAL", token: "91354A473744909DE610943775F92038"))))
        ),
        (
            "imap://michael@example.org/INBOX/;uid=20;EXPIRE=2006-11-02T14:30:00-05:00;URLAUTH=authuser",
            IMAPURL(
                .absolute(IMAPURLServer(user: "michael", host: "example.org")),
                message(
                    .inbox, uid: 20,
                    authorization: IMAPURLAuthorization(expiry: expiry, access: .authenticatedUser)))
        ),
        (
            "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
            IMAPURL(
                .absolutePath,
                message("Drafts", validity: 385_759_045, uid: 20, section: BodySection(text: .header)))
        ),
        (
            "/Drafts/;UID=20/;section=1.HEADER.FIELDS%20(To%20Cc)/;partial=7",
            IMAPURL(
                .absolutePath,
                message(
                    "Drafts", uid: 20, section: BodySection(part: [1], text: .headerFields(["To", "Cc"])),
                    partial: IMAPURLPartial(offset: 7)))
        ),
        (";section=1.4", IMAPURL(.relativePath, .message(.part(BodySection(part: [1, 4]))))),
        (";UID=20", IMAPURL(.relativePath, .message(IMAPURLMessage(mailbox: nil, uid: 20)))),
        (";PARTIAL=3.4", IMAPURL(.relativePath, .message(.part(.whole, IMAPURLPartial(offset: 3, count: 4))))),
        ("..;UIDVALIDITY=385759045/;UID=20", IMAPURL(.relativePath, message("..", validity: 385_759_045, uid: 20))),
        ("/foo/;UID=20/..", IMAPURL(.absolutePath, .messages(in: IMAPURLMailbox("foo")))),
        ("/a/../b/./c/;UID=1", IMAPURL(.absolutePath, message("b/c", uid: 1))),
        ("/%2e%2e/;UID=1", IMAPURL(.absolutePath, message("..", uid: 1))),
        (
            "/a/;UID=1/;SECTION=HEADER.FIELDS%20(X%2F..%2FY)",
            IMAPURL(
                .absolutePath, message("a", uid: 1, section: BodySection(text: .headerFields(["X/../Y"]))))
        ),
        ("/inbox/;UID=1", IMAPURL(.absolutePath, message(.inbox, uid: 1))),
        ("imap://example.com", IMAPURL(.absolute(IMAPURLServer(host: "example.com")), .server)),
        ("IMAP://[2001:db8::1]:143/", IMAPURL(.absolute(IMAPURLServer(host: "[2001:db8::1]", port: 143)), .server)),
        (
            "//a%40b.example@example.com/x",
            IMAPURL(
                .networkPath(IMAPURLServer(user: "a@b.example", host: "example.com")),
                .messages(in: IMAPURLMailbox("x")))
        ),
        ("/", IMAPURL(.absolutePath, .server)),
        ("", IMAPURL(.relativePath, .server)),
    ]

    @Test("The RFCs' examples", arguments: examples)
    func example(text: String, url: IMAPURL) throws {
        #expect(try IMAPURL(parsing: text) == url)
        #expect(try IMAPURL(parsing: url.text) == url, "\(url.text)")
    }

    @Test(
        "What is no URL of a message, mailbox or server is refused",
        arguments: [
            "http://example.com/", "imap:/x", "imap:x", "imap://", "imap:///INBOX", "imap://@h/", "imap://;@h/",
            "imap://u;AUTH=@h/", "imap://u@h@i/", "imap://h:x/", "imap://h:65536/", "imap://h?x", "imap://[::1/",
            "imap://[]/", "imap://h x/", "/a b", "/a\"b", "/ä", "/%", "/%4", "/%zz", "/%ff", "/%00", "/%0D%0A",
            "/INBOX;UID=1", "/INBOX/;UID=0", "/INBOX/;UID=01", "/INBOX/;UID=4294967296", "/INBOX/;UID=1x",
            "/INBOX/;UID=", "/INBOX/;UID=1/", "/INBOX/;UID=1?x", "/;UID=1", "//h/;UID=1", "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX;UIDVALIDITY=1;UID=1", "/INBOX;UIDVALIDITY=1/", "/INBOX;UIDVALIDITY=1/x", "/INBOX;X=1",
            "/INBOX/;SECTION=1", "/INBOX/;UID=1/;SECTION=", "/INBOX/;UID=1/;SECTION=x", "/INBOX/;UID=1/;SECTION=MIME",
            "/INBOX/;UID=1/;SECTION=1]%20", "/INBOX/;UID=1/;SECTION=1%5D%5B2", "/INBOX/;UID=1/;SECTION=0",
            "/INBOX/;UID=1/;SECTION=HEADER.FIELDS", "/INBOX/;UID=1/;SECTION=1;PARTIAL=0.1",
            "/INBOX/;UID=1/;PARTIAL=0.1/;SECTION=1", "/INBOX/;UID=1/;PARTIAL=", "/INBOX/;UID=1/;PARTIAL=.1",
            "/INBOX/;UID=1/;PARTIAL=0.0", "/INBOX/;UID=1/;PARTIAL=9223372036854775808",
            "/INBOX/;UID=1;EXPIRE=2006-11-02T14:30:00Z", "/INBOX/;UID=1;EXPIRE=2006-02-30T14:30:00Z;URLAUTH=authuser",
            "/INBOX/;UID=1;EXPIRE=2006-11-02;URLAUTH=authuser", "/INBOX/;UID=1;URLAUTH=",
            "/INBOX/;UID=1;URLAUTH=nobody",
            "/INBOX/;UID=1;URLAUTH=authuserx", "/INBOX/;UID=1;URLAUTH=user+", "/INBOX/;UID=1;URLAUTH=user+a;b",
            "/INBOX/;UID=1;URLAUTH=authuser:internal", "/INBOX/;UID=1;URLAUTH=authuser:internal:0123456789abcdef",
            "/INBOX/;UID=1;URLAUTH=authuser:in/ternal:91354a473744909de610943775f92038",
            "/INBOX/;UID=1;URLAUTH=authuser:internal:91354a473744909de610943775f9203g",
            "/INBOX;URLAUTH=authuser", ";UID=1;URLAUTH=authuser", "../x", "./;UID=1", "?x", "x?",
        ])
    func refused(text: String) {
        #expect(throws: IMAPURLError.self) { _ = try IMAPURL(parsing: text) }
    }

    @Test("A URL beyond the limit is refused, whatever is in it")
    func limit() throws {
        let longest = "/" + String(repeating: "x", count: IMAPURL.octetLimit - 1)
        #expect(try IMAPURL(parsing: longest).text == longest)
        #expect(throws: IMAPURLError.self) { _ = try IMAPURL(parsing: longest + "x") }
        #expect(throws: IMAPURLError.self) {
            _ = try IMAPURL(parsing: "/x/;UID=1/;SECTION=1" + String(repeating: ".1", count: 64))
        }
    }

    @Test("A URL is read as it was written")
    func roundTrip() throws {
        var generator = SeededGenerator(seed: 5092)
        for _ in 0..<4000 {
            let url = generator.url()
            #expect(try IMAPURL(parsing: url.text) == url, "\(url.text)")
        }
    }

    @Test("Only the verifier goes from a URL's rump (RFC 4467, 6)")
    func rump() throws {
        let token = "91354A473744909de610943775f92038"
        let rump = "IMAP://joe@Example.COM/In%62ox/;uid=20/;Section=1.2;urlauth=Submit+fr%65d"
        #expect(IMAPURL.rump(of: rump + ":Internal:" + token) == rump)
        #expect(IMAPURL.rump(of: rump) == nil)
        #expect(IMAPURL.rump(of: "nothing") == nil)
        var generator = SeededGenerator(seed: 4467)
        for _ in 0..<1000 {
            let url = generator.url()
            guard case .message(var message) = url.target, let verifier = message.authorization?.verifier else {
                #expect(IMAPURL.rump(of: url.text) == nil)
                continue
            }
            message.authorization?.verifier = nil
            #expect(IMAPURL.rump(of: url.text) == IMAPURL(url.form, .message(message)).text)
            #expect(url.text == IMAPURL(url.form, .message(message)).text + verifier.text)
        }
    }

    @Test("Changed at random, a URL is refused or means what it is written as")
    func mutations() {
        var generator = SeededGenerator(seed: 3986)
        for _ in 0..<6000 {
            var octets = Array(generator.url().text.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !octets.isEmpty {
                let index = Int.random(in: octets.indices, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: octets[index] = generator.pick(Array("%;/?:@=&+.-[]0aZ \"".utf8))
                case 1: octets.remove(at: index)
                default: octets.insert(contentsOf: octets[index..<min(index + 9, octets.count)], at: index)
                }
            }
            guard let url = try? IMAPURL(parsing: String(decoding: octets, as: UTF8.self)) else { continue }
            #expect((try? IMAPURL(parsing: url.text)) == url, "\(url.text)")
        }
    }

    @Test("What CATENATE takes, and in which mailbox it looks (RFC 4469, 3)")
    func messageOfSession() throws {
        func found(_ text: String, _ selected: MailboxName? = nil) throws -> String? {
            try IMAPURL(parsing: text).message(selected: selected).map { "\($0.mailbox.name) \($0.uid)" }
        }
        #expect(try found("/a/b/;UID=3/;SECTION=1") == "a/b 3")
        #expect(try found("/a;UIDVALIDITY=7/;UID=3", "b") == "a 3")
        #expect(try found(";UID=3", "b") == "b 3")
        #expect(try found(";UID=3") == nil)
        for text in [
            "imap://h/a/;UID=3", "//h/a/;UID=3", "a/;UID=3", "/a", "/", "", ";SECTION=1", "/a/;UID=3;URLAUTH=anonymous",
        ] {
            #expect(try found(text, "b") == nil, "\(text)")
        }
    }
}

extension IMAPURLMessage {
    fileprivate static func part(_ section: BodySection, _ partial: IMAPURLPartial? = nil) -> IMAPURLMessage {
        IMAPURLMessage(mailbox: nil, uid: nil, section: section, partial: partial)
    }
}

/// Random URLs, each one that can be written.
extension SeededGenerator {
    private mutating func user() -> String { pick(["joe", "a@b.example", "ü;x", "100%", "a/b:c", "*"]) }

    private mutating func urlServer() -> IMAPURLServer {
        IMAPURLServer(
            user: chance(1, of: 2) ? user() : nil, mechanism: chance(1, of: 3) ? pick(["*", "PLAIN", "x y"]) : nil,
            host: pick(["example.com", "127.0.0.1", "[::1]", "h%41"]),
            port: chance(1, of: 3) ? pick([0, 143, .max]) : nil)
    }

    private mutating func urlMailbox() -> IMAPURLMailbox {
        var name = pick([".", "..", "a/../b", "/a", "a//b/", "x;UID=1", "?", "%41", mailbox().value, mailbox().value])
        if name.isEmpty { name = "INBOX" }
        return IMAPURLMailbox(MailboxName(name), uidValidity: chance(1, of: 3) ? number() : nil)
    }

    private mutating func urlPartial() -> IMAPURLPartial? {
        chance(1, of: 2) ? nil : IMAPURLPartial(offset: number64(), count: chance(1, of: 2) ? nil : UInt64(number()))
    }

    private mutating func urlAuthorization() -> IMAPURLAuthorization {
        let token = String(array(32...64) { $0.pick(Array("0123456789abcdef")) })
        return IMAPURLAuthorization(
            expiry: chance(1, of: 2) ? nil : dateTime(),
            access: pick([.submit(user()), .user(user()), .authenticatedUser, .anonymous]),
            verifier: chance(1, of: 3)
                ? nil : IMAPURLVerifier(mechanism: pick(["INTERNAL", "X-Y.1"]), token: token))
    }

    mutating func url() -> IMAPURL {
        let isRelative = chance(1, of: 4)
        let form: IMAPURLForm =
            isRelative ? .relativePath : pick([.absolutePath, .absolute(urlServer()), .networkPath(urlServer())])
        switch Int.random(in: 0..<8, using: &self) {
        case 0: return IMAPURL(form, .server)
        case 1, 2:
            let search = chance(1, of: 2) ? nil : array(1...20) { UInt8.random(in: 0...255, using: &$0) }
            return IMAPURL(form, .messages(in: urlMailbox(), search: search))
        default:
            var message = IMAPURLMessage(
                mailbox: urlMailbox(), uid: number(), section: section(), partial: urlPartial())
            if isRelative {
                if chance(1, of: 2) { message.mailbox = nil }
                if message.mailbox == nil, chance(1, of: 2), message.section != .whole || message.partial != nil {
                    message.uid = nil
                }
            } else if chance(1, of: 2) {
                message.authorization = urlAuthorization()
            }
            return IMAPURL(form, .message(message))
        }
    }
}
