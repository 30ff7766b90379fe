import Testing

@testable import MailMessage

@Suite("ENVELOPE and BODYSTRUCTURE")
struct IMAPWriterTests {
    @Test("the envelope of RFC 9051, 8")
    func example() throws {
        let message = wire(
            """
            Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
            From: Terry Gray <gray@cac.washington.edu>
            Subject: IMAP4rev1 WG mtg summary and minutes
            To: imap@cac.washington.edu
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
            Message-Id: <B27397-0100000@cac.washington.edu>
            MIME-Version: 1.0
            Content-Type: TEXT/PLAIN; CHARSET=US-ASCII


            """)
        let parsed = try MessageParser.parse(message)
        #expect(
            text(parsed.envelopeOctets()) == """
                ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" \
                "IMAP4rev1 WG mtg summary and minutes" \
                (("Terry Gray" NIL "gray" "cac.washington.edu")) \
                (("Terry Gray" NIL "gray" "cac.washington.edu")) \
                (("Terry Gray" NIL "gray" "cac.washington.edu")) \
                ((NIL NIL "imap" "cac.washington.edu")) \
                ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL \
                "<B27397-0100000@cac.washington.edu>")
                """)
        #expect(
            text(parsed.bodyOctets()) == "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0)")
        #expect(
            text(parsed.bodyStructureOctets())
                == "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)")
    }

    @Test("nothing known is NIL, groups and raw words stay as they are")
    func values() throws {
        let empty = try MessageParser.parse(wire("\nbody"))
        #expect(text(empty.envelopeOctets()) == "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")
        let parsed = try MessageParser.parse(
            wire(
                """
                Subject: =?utf-8?q?J=C3=BCrgen?=
                 folded
                From: a@x (One "quoted")
                Sender: b@x
                To: friends: c@x, "D \\"d\\"" <d@x>;, nobody:;
                In-Reply-To: <1@x> <2@x>


                """))
        #expect(
            text(parsed.envelopeOctets()) == """
                (NIL "=?utf-8?q?J=C3=BCrgen?= folded" (("One \\"quoted\\"" NIL "a" "x")) ((NIL NIL "b" "x")) \
                (("One \\"quoted\\"" NIL "a" "x")) ((NIL NIL "friends" NIL)(NIL NIL "c" "x")\
                ("D \\"d\\"" NIL "d" "x")(NIL NIL NIL NIL)(NIL NIL "nobody" NIL)(NIL NIL NIL NIL)) NIL NIL \
                "<1@x> <2@x>" NIL)
                """)
    }

    @Test("what a quoted string cannot hold is a literal")
    func literals() throws {
        let parsed = try MessageParser.parse(Array("Subject: \u{E4}\u{0}b\r\n\r\n".utf8))
        #expect(text(parsed.envelopeOctets()).hasPrefix("(NIL {4}\r\nä?b NIL"))
        let long = String(repeating: "x", count: 600)
        let folded = try MessageParser.parse(wire("Subject: \(long)\n\n"))
        #expect(text(folded.envelopeOctets()).contains("{600}\r\n" + long + " "))
    }

    @Test("a structure with everything in it")
    func structure() throws {
        let parsed = try MessageParser.parse(
            wire(
                """
                Content-Type: multipart/mixed; boundary=b; x="y z"
                Content-Language: de, en

                --b
                Content-Type: text/html; charset="utf-8"
                Content-Transfer-Encoding: quoted-printable
                Content-ID: <id@x>
                Content-Description: a "page"
                Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
                Content-Disposition: inline; filename*=utf-8''%C3%A4
                Content-Language: fr
                Content-Location: http://x/y

                line
                line

                --b
                Content-Type: message/rfc822
                Content-Disposition: attachment

                Subject: in

                inner
                text
                --b--
                """))
        let html = """
            ("TEXT" "HTML" ("CHARSET" "utf-8") "<id@x>" "a \\"page\\"" "QUOTED-PRINTABLE" 12 2
            """
        let message = """
            ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 26 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) \
            ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 11 1
            """
        #expect(text(parsed.bodyOctets()) == "(" + html + ")" + message + ") 3) \"MIXED\")")
        #expect(
            text(parsed.bodyStructureOctets()) == "(" + html
                + " \"Q2hlY2sgSW50ZWdyaXR5IQ==\" (\"INLINE\" (\"FILENAME*\" \"utf-8''%C3%A4\")) \"fr\" \"http://x/y\")"
                + message + " NIL NIL NIL NIL) 3 NIL (\"ATTACHMENT\" NIL) NIL NIL)"
                + " \"MIXED\" (\"BOUNDARY\" \"b\" \"X\" \"y z\") NIL (\"de\" \"en\") NIL)")
    }
}
