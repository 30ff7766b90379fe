import Testing

@testable import MailMessage

@Suite("The message parser")
struct MessageParserTests {
    /// Expects the tree of a message, described as `structure(_:)` does.
    private func expect(
        _ message: String, _ expected: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try tree(message)
        #expect(found == expected, sourceLocation: sourceLocation)
    }

    /// Parses a text in one piece and in single octets; both must agree and be sound.
    private func tree(_ message: String, limits: MIMELimits = MIMELimits()) throws -> String {
        let octets = wire(message)
        let whole = try MessageParser.parse(octets, limits: limits)
        expectSound(whole, of: octets)
        #expect(try parse(octets, pieces: 1, limits: limits) == whole)
        return structure(whole.index)
    }

    private func parse(_ octets: [UInt8], pieces size: Int, limits: MIMELimits) throws -> ParsedMessage {
        try MailMessageTests.parse(
            octets, cutAt: Array(stride(from: size, to: octets.count, by: size)), limits: limits)
    }

    @Test("reads the multipart of RFC 2046, 5.1.1")
    func simpleMultipart() throws {
        let message = """
            From: Nathaniel Borenstein <nsb@bellcore.com>
            MIME-Version: 1.0
            Content-type: multipart/mixed; boundary="simple boundary"

            This is the preamble.  It is to be ignored.

            --simple boundary

            This is implicitly typed plain US-ASCII text.
            It does NOT end with a linebreak.
            --simple boundary
            Content-type: text/plain; charset=us-ascii

            This is explicitly typed plain US-ASCII text.
            It DOES end with a linebreak.

            --simple boundary--

            This is the epilogue.  It is also to be ignored.

            """
        try expect(
            message,
            """
            - multipart/mixed 7bit 368 15
            1 text/plain 7bit 80 1
            2 text/plain 7bit 78 2
            """)
        let octets = wire(message)
        let index = try MessageParser.parse(octets).index
        #expect(
            text(octets[index.parts[1].body])
                == "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.")
        #expect(text(octets[index.parts[2].header]) == "Content-type: text/plain; charset=us-ascii\r\n\r\n")
    }

    @Test("reads the complex multipart of RFC 2049, appendix A")
    func complexMultipart() throws {
        try expect(
            """
            Content-Type: multipart/mixed; boundary=unique-boundary-1

            preamble
            --unique-boundary-1

            ... Some text appears here ...

            --unique-boundary-1
            Content-type: text/plain; charset=US-ASCII

            This could have been part of the previous part.

            --unique-boundary-1
            Content-Type: multipart/parallel; boundary=unique-boundary-2

            --unique-boundary-2
            Content-Type: audio/basic
            Content-Transfer-Encoding: base64

            aGVsbG8=

            --unique-boundary-2
            Content-Type: image/jpeg
            Content-Transfer-Encoding: base64

            aGVsbG8=

            --unique-boundary-2--

            --unique-boundary-1
            Content-Type: message/rfc822

            From: (mailbox in US-ASCII)
            Subject: (subject in US-ASCII)
            Content-Type: Text/plain; charset=ISO-8859-1
            Content-Transfer-Encoding: Quoted-printable

            Additional text in ISO-8859-1
            --unique-boundary-1--
            """,
            """
            - multipart/mixed 7bit 747 36
            1 text/plain 7bit 32 1
            2 text/plain 7bit 49 1
            3 multipart/parallel 7bit 216 13
            3.1 audio/basic base64 10 1
            3.2 image/jpeg base64 10 1
            4 message/rfc822 7bit 183 5
            4/ text/plain quoted-printable 29 0
            """)
    }

    @Test("takes the parts of a digest for messages (RFC 2046, 5.1.5)")
    func digest() throws {
        try expect(
            """
            Content-Type: multipart/digest; boundary="--"

            ----

            From: someone-else
            Subject: my opinion

            body
            ----
            Content-Type: text/plain

            text
            ------
            """,
            """
            - multipart/digest 7bit 103 10
            1 message/rfc822 7bit 47 3
            1/ text/plain 7bit 4 0
            2 text/plain 7bit 4 0
            """)
    }

    @Test("ends what nobody closed where its parent ends (RFC 2046, 5.1.2)")
    func unclosed() throws {
        try expect(
            """
            Content-Type: multipart/mixed; boundary=outer

            --outer
            Content-Type: multipart/alternative; boundary=inner

            --inner

            one
            --outer
            Content-Type: message/rfc822

            Subject: nested
            Content-Type: multipart/mixed; boundary=deep

            --deep

            two
            --outer

            three
            """,
            """
            - multipart/mixed 7bit 217 17
            1 multipart/alternative 7bit 14 2
            1.1 text/plain 7bit 3 0
            2 message/rfc822 7bit 78 5
            2/ multipart/mixed 7bit 13 2
            2/1 text/plain 7bit 3 0
            3 text/plain 7bit 5 0
            """)
    }

    @Test("prefers the boundary that a whole line is to one that it begins with")
    func similarBoundaries() throws {
        try expect(
            """
            Content-Type: multipart/mixed; boundary=foo

            --foo
            Content-Type: multipart/mixed; boundary=foobar

            --foobar

            inner
            --foobar--
            --foo and a tail
            Content-Type: text/html

            outer
            --foo--  \t
            """,
            """
            - multipart/mixed 7bit 150 11
            1 multipart/mixed 7bit 29 3
            1.1 text/plain 7bit 5 0
            2 text/html 7bit 5 0
            """)
    }

    @Test("understands bare LF as the end of a line, mixed with CRLF")
    func bareLineFeeds() throws {
        let octets = Array("Content-Type: multipart/mixed; boundary=b\n\r\n--b\r\n\none\r\n--b\n\r\ntwo\n--b--\n".utf8)
        let message = try MessageParser.parse(octets)
        expectSound(message, of: octets)
        #expect(message.index.parts.dropFirst().map { text(octets[$0.body]) } == ["one", "two"])
    }

    @Test(
        "reads as text what cannot be the multipart it claims to be (RFC 2045, 5.2)",
        arguments: [
            "Content-Type: multipart/mixed\n\nhello\n",
            "Content-Type: multipart/mixed; boundary=\"\"\n\nhello\n",
            "Content-Type: multipart/mixed; boundary=never\n\nhello\n",
            "Content-Type: text\n\nhello\n", "Content-Type: /plain\n\nhello\n", "Content-Type: \n\nhello\n",
        ])
    func invalidTypes(_ message: String) throws {
        #expect(try tree(message) == "- text/plain 7bit 7 1")
        let root = try MessageParser.parse(wire(message)).index.root
        #expect(root.charset == "us-ascii" && root.parameters.map(\.name) == ["charset"])
    }

    @Test("finds empty bodies and parts without an empty line")
    func emptyParts() throws {
        try expect(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\n--b\n\n\n--b\n--b--\n",
            """
            - multipart/mixed 7bit 58 9
            1 text/html 7bit 0 0
            2 text/plain 7bit 0 0
            3 text/plain 7bit 0 0
            4 text/plain 7bit 0 0
            """)
    }

    @Test(
        "reads messages that hardly are any", arguments: ["", "\n", "\r", "x", "Subject: only", "a\n\n", "\n\n\n", " "])
    func fragments(_ message: String) throws {
        #expect(try tree(message).hasPrefix("- text/plain"))
    }

    @Test("does not look into a message in base64, which RFC 2046, 5.2.1 forbids")
    func encodedMessage() throws {
        let tree = try tree("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n")
        #expect(tree == "- application/octet-stream base64 18 1")
    }

    // MARK: Limits

    private func nested(_ depth: Int) -> String {
        var message = ""
        for level in 0..<depth { message += "Content-Type: multipart/mixed; boundary=b\(level)x\n\n--b\(level)x\n" }
        return message + "\ninnermost\n"
    }

    @Test("beyond the depth limit an entity is an opaque leaf, and its siblings are found")
    func depthLimit() throws {
        let message =
            "Content-Type: multipart/mixed; boundary=top\n\n--top\n" + nested(5)
            + "--top\nContent-Type: text/html\n\nx\n"
        let octets = wire(message)
        let parsed = try MessageParser.parse(octets, limits: MIMELimits(depth: 3))
        expectSound(parsed, of: octets)
        #expect(
            parsed.index.parts.map { $0.type + "/" + $0.subtype } == [
                "multipart/mixed", "multipart/mixed", "application/octet-stream", "text/html",
            ])
    }

    @Test("ten thousand levels, of multiparts or of messages, are read as far as the limit")
    func deepNesting() throws {
        let messages = String(repeating: "Content-Type: message/rfc822\n\n", count: 10_000)
        for message in [nested(10_000), messages] {
            let octets = wire(message)
            let parsed = try MessageParser.parse(octets)
            #expect(parsed.index.parts.count == MIMELimits().depth)
            #expect(try MIMEIndex(decoding: parsed.index.encoded()) == parsed.index)
            #expect(isIMAPValue(parsed.bodyStructureOctets()))
        }
    }

    @Test("beyond the parts limit the rest is one opaque leaf")
    func partsLimit() throws {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: "--b\n\nx\n", count: 20) + "--b--\n"
        let octets = wire(message)
        let parsed = try MessageParser.parse(octets, limits: MIMELimits(parts: 4))
        expectSound(parsed, of: octets)
        #expect(parsed.index.parts.count == 5)
        #expect(parsed.index.parts[4].type == "application")
        #expect(parsed.index.parts[4].body.upperBound == octets.count)
        #expect(try parse(octets, pieces: 1, limits: MIMELimits(parts: 4)) == parsed)
    }

    @Test("a header block beyond its limits is refused, however it is cut")
    func headerLimits() throws {
        let limits = MIMELimits(headerOctets: 100, headerFields: 3)
        let fits = wire("A: b\nC: d\nE: f\n\n") + wire(String(repeating: "x\n", count: 1000))
        _ = try MessageParser.parse(fits, limits: limits)
        let long = wire("A: " + String(repeating: "x", count: 100) + "\n\nbody")
        let many = wire("A: b\nC: d\nE: f\nG: h\n\nbody")
        for size in [1, 7, 1000] {
            #expect(throws: MessageRefusal.headerTooLarge) { try parse(long, pieces: size, limits: limits) }
            #expect(throws: MessageRefusal.tooManyHeaderFields) { try parse(many, pieces: size, limits: limits) }
        }
        let endless = [UInt8](repeating: 0x78, count: 1_000_000)
        #expect(throws: MessageRefusal.headerTooLarge) { try MessageParser.parse(endless) }
    }

    @Test("a part's header beyond its limit is read as far as the limit, and the message accepted")
    func partHeaderLimit() throws {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\nX: "
            + String(repeating: "y", count: 5000) + "\nContent-ID: <late>\n\nz\n--b--\n"
        let octets = wire(message)
        let limits = MIMELimits(partHeaderOctets: 1000)
        let parsed = try MessageParser.parse(octets, limits: limits)
        expectSound(parsed, of: octets)
        #expect(structure(parsed.index).hasSuffix("1 text/html 7bit 1 0"))
        #expect(parsed.index.parts[1].contentID == nil)
        #expect(try parse(octets, pieces: 13, limits: limits) == parsed)
    }

    @Test("parameters and addresses beyond their limits are left out")
    func listLimits() throws {
        let message = wire(
            "To: a@x, b@x, c@x\nTo: d@x\nContent-Type: text/plain; a=1; b=2; c=3\n\n")
        let parsed = try MessageParser.parse(message, limits: MIMELimits(parameters: 2, addresses: 2))
        #expect(parsed.envelope.to.count == 2)
        // The charset is our word, not the message's, and no limit hides it.
        #expect(parsed.index.root.parameters.map(\.name) == ["a", "b", "charset"])
    }
}
