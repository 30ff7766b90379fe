import NIOCore
import SMTPSyntax
import Testing

/// CHECKPOINT and TRANSID as both sides read and write them (RFC 1845).
@Suite struct CheckpointTests {
    private func transid(_ line: String) throws(CommandError) -> TransID? {
        guard case .mail(_, let parameters) = try parse(line) else { return nil }
        return parameters.transid
    }

    @Test(
        "What follows the grammar is taken as it is, in its own case",
        arguments: [
            "<12345@claremont.edu>", "<a@b>", "<A.b.C@D.e>", "<!#$%&'*+-^_`{|}~@x>", "<1.2.3.4@5.6>",
            "<" + String(repeating: "x", count: 76) + "@y>",
        ])
    func accepted(text: String) throws {
        #expect(TransID(text)?.description == text)
        #expect(try transid("MAIL FROM:<a@b> TRANSID=\(text)") == TransID(text))
        #expect(try transid("mail from:<a@b> SIZE=5 transid=\(text) BODY=7BIT") == TransID(text))
    }

    @Test(
        "What does not is 501 5.5.4",
        arguments: [
            "12345@claremont.edu", "<12345>", "<@b>", "<a@>", "<a@b@c>", "<.a@b>", "<a.@b>", "<a..b@c>", "<a@b.>",
            "<a@b", "a@b>", "<<a@b>", "<a@b>>", "<>", "<a/b@c>", "<a=b@c>", "<a?b@c>", "<\"a\"@b>", "<a@[192.0.2.1]>",
            "<a:b@c>", "<a;b@c>", "<a,b@c>", "<(a)@c>", "<a\\b@c>", "<ä@b>", "",
            "<" + String(repeating: "x", count: 77) + "@y>", "<a@b> TRANSID=<a@b>", "<a@b> TRANSID=<c@d>",
        ])
    func refused(text: String) {
        #expect(problem(of: "MAIL FROM:<a@b> TRANSID=\(text)") == .badParameterValue)
        do throws(CommandError) {
            _ = try parse("MAIL FROM:<a@b> TRANSID=\(text)")
            Issue.record("accepted")
        } catch {
            #expect(error.reply.code == 501 && error.reply.enhanced == EnhancedStatus(5, 5, 4))
        }
    }

    @Test("It needs a value, and belongs to MAIL alone")
    func place() {
        #expect(problem(of: "MAIL FROM:<a@b> TRANSID") == .badParameterValue)
        #expect(problem(of: "RCPT TO:<a@b> TRANSID=<a@b>") == .unknownParameter)
    }

    @Test("The extension is seen in the answer to EHLO")
    func announced() {
        let list = ExtensionList([.init("SIZE", ["5"]), .init(ExtensionList.checkpoint)])
        #expect(list.reply(greeting: "x").lines == ["x", "SIZE 5", "CHECKPOINT"])
        #expect(ExtensionList(reply: list.reply(greeting: "x")).offersCheckpoint)
        #expect(!ExtensionList([.init("SIZE")]).offersCheckpoint)
    }

    @Test("The offset of 355 is read again as it was written", arguments: [0, 1, 6_135, Int.max])
    func offset(_ offset: Int) throws {
        var buffer = ByteBuffer()
        Reply.restart(at: offset).write(to: &buffer)
        // The number comes first (RFC 1845, 3): no enhanced code stands before it.
        #expect(String(buffer: buffer) == "355 \(offset) is the transaction offset\r\n")
        var parser = ReplyParser()
        let reply = try #require(try parser.next(&buffer))
        #expect(reply == .restart(at: offset) && reply.restartOffset == offset)
        #expect(reply.isIntermediate)
    }

    @Test(
        "Other texts of 355, and other replies",
        arguments: [
            ("355 6135 is the transaction offset\r\n", 6_135), ("355 6135\r\n", 6_135), ("355 007\tok\r\n", 7),
            ("355-12 go on\r\n355 please\r\n", 12), ("355 x\r\n", nil), ("355 \r\n", nil), ("355\r\n", nil),
            ("355 12x\r\n", nil), ("355 -1 x\r\n", nil), ("355 +1 x\r\n", nil), ("355  12\r\n", nil),
            ("355 99999999999999999999 x\r\n", nil), ("354 12 x\r\n", nil), ("250 12 x\r\n", nil),
        ])
    func texts(stream: String, offset: Int?) throws {
        var parser = ReplyParser()
        var buffer = ByteBuffer(string: stream)
        #expect(try #require(try parser.next(&buffer)).restartOffset == offset)
    }
}
