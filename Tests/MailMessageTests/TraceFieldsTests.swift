import Testing

@testable import MailMessage

@Suite("Trace fields")
struct TraceFieldsTests {
    private let date = MailDate(secondsSince1970: 1_795_465_556)

    @Test("say what RFC 5321, 4.4 asks for")
    func received() throws {
        let field = ReceivedField(
            greeting: "client.example", clientAddress: "192.0.2.1", serverName: "mx.example.test",
            withProtocol: "ESMTPS",
            tlsVersion: "TLSv1.3", tlsCipher: "TLS_AES_256_GCM_SHA384", identifier: "01hqz",
            recipient: "bob@example.test",
            date: date)
        #expect(
            text(field.octets) == "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.test with ESMTPS\r\n"
                + "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 01hqz\r\n\tfor <bob@example.test>;\r\n\t"
                + date.description + "\r\n")
        #expect(text(TraceFields.returnPath("")) == "Return-Path: <>\r\n")
        #expect(text(TraceFields.returnPath("a@b")) == "Return-Path: <a@b>\r\n")
    }

    @Test("cannot be made to say more by what a client sends")
    func injection() throws {
        let field = ReceivedField(
            greeting: "x\r\nX-Evil: 1", clientAddress: "2001:db8::1", serverName: "mx", withProtocol: "E S",
            tlsVersion: "", identifier: "a;b", recipient: "a@b\r\nX: y", date: date)
        #expect(
            text(field.octets) == "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby mx\r\n"
                + "\tfor <a@bX: y>;\r\n\t" + date.description + "\r\n")
        #expect(text(TraceFields.returnPath("a\r\nB: c")) == "Return-Path: <aB: c>\r\n")
        #expect(text(TraceFields.field("Message-ID", "<\r\n>")) == "Message-ID: <>\r\n")
    }

    @Test("are read by our own parser")
    func readBack() throws {
        let octets =
            TraceFields.returnPath("a@b")
            + ReceivedField(
                greeting: "[IPv6:2001:db8::1]", clientAddress: "2001:db8::1", serverName: "mx", withProtocol: "LMTP",
                identifier: "i", date: date
            ).octets + wire("Subject: x\n\n")
        let parsed = try MessageParser.parse(octets)
        #expect(parsed.header.fields.count == 3 && parsed.receivedCount == 1)
        let received = try #require(parsed.header.firstValue(named: "Received"))
        #expect(MailDate(parsing: received.split(separator: UInt8(ascii: ";")).last ?? []) == date)
    }

    @Test("message identifiers are found wherever they stand")
    func identifiers() {
        func all(_ value: String) -> [String] { MessageIdentifier.all(in: Array(value.utf8)) }
        #expect(all("<1@x> (comment <2@x>) \"<3@x>\"\r\n <4 @x>,<5@x>") == ["<1@x>", "<4@x>", "<5@x>"])
        #expect(all("no identifier") == [])
        #expect(all("<never closed") == [])
    }

    @Test("message identifiers are the same however they are written (RFC 5256, 3)")
    func normalizedIdentifiers() {
        func all(_ value: String) -> [String] {
            MessageIdentifier.normalized(in: Array(value.utf8)).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(
            all("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com> <01KF8JCEOCBS0045PS@xxx.yyy.com>")
                == ["01KF8JCEOCBS0045PS@xxx.yyy.com", "01KF8JCEOCBS0045PS@xxx.yyy.com"])
        #expect(all("<\"a\\\"b\"@x> (<no@x>) \"<no@x>\" <A@X>\r\n\t< a @ x >") == ["a\"b@x", "A@X", "a@x"])
        #expect(all("Your message of today <a@x> from <b@[1.2.3.4]>") == ["a@x", "b@[1.2.3.4]"])
        #expect(all("<a(b)@x> <a@b@x>") == ["a(b)@x", "a@b@x"])
        #expect(all("<> <@> <a@> <@x> <a> <never@closed <a@x> <b@x") == ["a@x"])
        #expect(all("<un\"closed@x> <a@x>") == ["un\"closed@x", "a@x"])
        #expect(all("") == [])
        let hostile = String(repeating: "<\"", count: 200)
        #expect(all(hostile) == [])
    }
}
