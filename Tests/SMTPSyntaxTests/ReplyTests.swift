import NIOCore
import SMTPSyntax
import Testing

@Suite struct ReplyTests {
    private func text(_ reply: Reply) -> String {
        var buffer = ByteBuffer()
        reply.write(to: &buffer)
        return String(buffer: buffer)
    }

    @Test("Replies of one line and of several (RFC 5321, 4.2.1; RFC 2034, 4)")
    func printing() {
        #expect(text(Reply(250, "2.1.0", "OK")) == "250 2.1.0 OK\r\n")
        #expect(text(Reply(code: 354, lines: ["Go ahead"])) == "354 Go ahead\r\n")
        #expect(
            text(Reply(code: 250, lines: ["host", "SIZE 1", "HELP"])) == "250-host\r\n250-SIZE 1\r\n250 HELP\r\n")
        #expect(
            text(Reply(code: 550, enhanced: EnhancedStatus(5, 1, 1), lines: ["no", "such"]))
                == "550-5.1.1 no\r\n550 5.1.1 such\r\n")
        #expect(text(Reply(code: 250, lines: [])) == "250 \r\n")
    }

    @Test("A text from elsewhere cannot begin a line of its own")
    func injection() {
        #expect(text(Reply(250, "2.0.0", "a\r\n550 b\u{0}")) == "250 2.0.0 a  550 b \r\n")
    }

    @Test("Replies parse, however the stream is cut")
    func parsing() throws {
        let stream = "250-host greets\r\n250-SIZE 1\r\n250 HELP\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n354\r\n220 x\n"
        let expected = [
            Reply(code: 250, lines: ["host greets", "SIZE 1", "HELP"]),
            Reply(code: 550, enhanced: EnhancedStatus(5, 1, 1), lines: ["no", "such"]), Reply(code: 354, lines: [""]),
            Reply(code: 220, lines: ["x"]),
        ]
        for pieces in splits(Array(stream.utf8)) {
            var parser = ReplyParser()
            var buffer = ByteBuffer()
            var replies: [Reply] = []
            for piece in pieces {
                buffer.writeBytes(piece)
                while let reply = try parser.next(&buffer) { replies.append(reply) }
            }
            #expect(replies == expected)
        }
    }

    @Test(
        "What is no reply",
        arguments: [
            ("hello\r\n", ReplyError.malformed), ("25\r\n", .malformed), ("250x\r\n", .malformed),
            ("250-a\r\n251 b\r\n", .malformed), ("199 a\r\n", .malformed), ("600 a\r\n", .malformed),
            ("250 " + String(repeating: "x", count: 3_000), .lineTooLong),
            (String(repeating: "250-x\r\n", count: 300), .tooManyLines),
        ])
    func refused(stream: String, error: ReplyError) {
        var parser = ReplyParser()
        var buffer = ByteBuffer(string: stream)
        #expect(throws: error) { while try parser.next(&buffer) != nil {} }
    }

    @Test("Enhanced codes (RFC 3463, 2)")
    func enhanced() {
        #expect(EnhancedStatus("5.1.1") == EnhancedStatus(5, 1, 1))
        #expect(EnhancedStatus("2.999.999")?.description == "2.999.999")
        for text in ["", "5", "5.1", "3.1.1", "5.1.1000", "5..1", "5.1.1.1", "a.b.c", "5.-1.1"] {
            #expect(EnhancedStatus(text) == nil)
        }
    }

    @Test("The extensions of an EHLO reply, and back")
    func extensions() {
        let reply = Reply(
            code: 250,
            lines: [
                "host", "size 1000", "AUTH plain LOGIN", "AUTH=OLD", "PIPELINING", "LIMITS RCPTMAX=20 MAILMAX=x", "",
            ])
        let list = ExtensionList(reply: reply)
        #expect(list.size == 1_000 && list.mechanisms == ["PLAIN", "LOGIN"])
        #expect(list["PIPELINING"] == [] && list["CHUNKING"] == nil)
        #expect(list.limit("RCPTMAX") == 20 && list.limit("MAILMAX") == nil && list.limit("X") == nil)
        let again = ExtensionList(reply: list.reply(greeting: "host"))
        #expect(again == list)
    }
}
