import NIOCore
import Testing

@testable import IMAPSyntax

@Suite("Writing responses")
struct ResponsePrinterTests {
    private func printed(encoding: SessionEncoding = .modifiedUTF7, _ write: (inout ResponsePrinter) -> Void) -> String
    {
        var printer = ResponsePrinter(encoding: encoding)
        write(&printer)
        return printer.take().text
    }

    @Test("A FETCH response, item by item")
    func fetch() {
        let text = printed { printer in
            printer.beginFetch(12)
            printer.fetchUID(827)
            printer.fetchFlags([.seen, .recent], keywordBits: 0b101, keywords: ["$Junk", "x", "work"])
            printer.fetchModificationSequence(624_140_003)
            printer.fetchInternalDate(microsecondsSince1970: 837_596_665_000_000)
            printer.fetchSize(4286)
            printer.fetchEnvelope(ByteBuffer("(NIL)"))
            printer.fetchBodyStructure(ByteBuffer(string: "(\"TEXT\")"))
            printer.fetchBinarySize(part: [1, 2], 7)
            printer.fetchOctets(.section(BodySection(part: [2], text: .mime), origin: 0), ByteBuffer("ab"))
            printer.fetchOctets(.rfc822, nil)
            printer.fetchOctets(.binary(part: [1], origin: nil, isLiteral8: true), ByteBuffer("\0"))
            printer.endFetch()
        }
        #expect(
            text == "* 12 FETCH (UID 827 FLAGS (\\Seen \\Recent $Junk work) MODSEQ (624140003) "
                + "INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" RFC822.SIZE 4286 ENVELOPE (NIL) "
                + "BODYSTRUCTURE (\"TEXT\") "
                + "BINARY.SIZE[1.2] 7 BODY[2.MIME]<0> {2}\r\nab RFC822 NIL BINARY[1] ~{1}\r\n\0)\r\n")
    }

    @Test("A streamed literal: the head, then octets from elsewhere")
    func streamed() {
        let text = printed { printer in
            printer.beginFetch(1)
            printer.beginFetchOctets(.section(.whole, origin: nil), count: 5)
            printer.raw(ByteBuffer("he"))
            printer.raw(ByteBuffer("llo"))
            printer.fetchUID(9)
            printer.endFetch()
        }
        #expect(text == "* 1 FETCH (BODY[] {5}\r\nhello UID 9)\r\n")
    }

    @Test("Labels follow what was asked")
    func labels() {
        let partial = PartialRange(offset: 10, count: 5)
        #expect(
            FetchOctetsLabel(.section(.whole, peek: true, partial: partial)) == .section(.whole, origin: 10))
        #expect(FetchOctetsLabel(.rfc822Text) == .rfc822Text)
        #expect(FetchOctetsLabel(.flags) == nil)
    }

    @Test("Mailbox names are written as the session has them")
    func mailboxes() {
        let listing = MailboxListing(attributes: [.hasNoChildren], mailbox: "Entwürfe & mehr")
        #expect(printed { $0.list(listing) } == "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe &- mehr\"\r\n")
        #expect(
            printed(encoding: .utf8) { $0.list(listing, as: "LSUB") }
                == "* LSUB (\\HasNoChildren) \"/\" \"Entwürfe & mehr\"\r\n")
        #expect(printed { $0.status(of: "NIL", []) } == "* STATUS \"NIL\" ()\r\n")
        #expect(printed { $0.list(MailboxListing(mailbox: "")) } == "* LIST () \"/\" \"\"\r\n")
    }

    @Test("A text for a person stays on its line, in ASCII unless UTF-8 is enabled, and is no code")
    func texts() {
        let status = StatusResponse(.no, "[x]\r\n* BYE ü")
        #expect(printed { $0.tagged("a", status) } == "a NO (x]??* BYE ??\r\n")
        #expect(printed(encoding: .utf8) { $0.tagged("a", status) } == "a NO (x]??* BYE ü\r\n")
        #expect(printed { $0.untagged(StatusResponse(.ok, "")) } == "* OK .\r\n")
    }

    @Test("Failures become the answers that the RFCs want")
    func failures() {
        func text(_ problem: SyntaxProblem, mustClose: Bool = false) -> String {
            let failure = InvalidCommand(tag: "a", problem: problem, position: 3, mustClose: mustClose)
            return printed { $0.tagged("a", failure.response) }
        }
        #expect(text(.invalid(expected: "a space")) == "a BAD Expected a space at octet 3\r\n")
        #expect(text(.beyondLimit(.messageOctets)) == "a NO [TOOBIG] Beyond the limit: message size\r\n")
        #expect(
            text(.beyondLimit(.nonSynchronizingOctets))
                == "a BAD [TOOBIG] Beyond the limit: size of a non-synchronizing literal\r\n")
        #expect(text(.beyondLimit(.searchDepth)) == "a BAD [LIMIT] Beyond the limit: depth of search keys\r\n")
        #expect(text(.invalidMailboxName) == "a NO [CANNOT] Not a valid mailbox name at octet 3\r\n")
        #expect(text(.beyondLimit(.literalOctets), mustClose: true).hasPrefix("a BYE [TOOBIG]"))
    }
}

@Suite("Reading responses")
struct ResponseParserTests {
    private func one(_ text: String) -> Response? {
        guard case .response(let response)? = responses(of: [ByteBuffer(text)]).first else { return nil }
        return response
    }

    @Test("Braces at the end of a text for a person announce nothing")
    func bracesInText() {
        #expect(one("* OK use {5}\r\n") == .untagged(.status(StatusResponse(.ok, "use {5}"))))
        #expect(one("a NO {5}\r\n") == .tagged("a", StatusResponse(.no, "{5}")))
        #expect(one("+ {5}\r\n") == .continuation(.text(ResponseText(nil, "{5}"))))
    }

    @Test("What servers are known to leave out is understood")
    func lenient() throws {
        #expect(one("+\r\n") == .continuation(.text(ResponseText(nil, ""))))
        #expect(one("a OK\r\n") == .tagged("a", StatusResponse(.ok, "")))
        #expect(one("* SEARCH \r\n") == .untagged(.search([])))
        #expect(one("* CAPABILITY IMAP4rev1 \r\n") == .untagged(.capability([.imap4rev1])))
        let identifier = StatusValue(.mailboxID, .objectID(try #require(ObjectID("abc"))))
        #expect(
            one("* STATUS x (MESSAGES 1 X-VENDOR 7 MAILBOXID (abc))\r\n")
                == .untagged(.mailboxStatus("x", [StatusValue(.messages, 1), identifier])))
        #expect(one("* LIST () \"/\" \"Entwürfe\"\r\n") == .untagged(.list(MailboxListing(mailbox: "Entwürfe"))))
    }

    @Test("After a response that cannot be understood the next one is")
    func goesOn() {
        let heard = responses(of: [ByteBuffer("* 1 NOISE\r\n* LIST x\r\n* 2 EXISTS\r\n")])
        #expect(heard.count == 3)
        #expect(heard.last == .response(.untagged(.exists(2))))
    }
}
