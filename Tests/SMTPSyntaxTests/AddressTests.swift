import SMTPSyntax
import Testing

@Suite struct AddressTests {
    @Test(
        "Addresses as the world writes them",
        arguments: [
            "a@b", "first.last@example.test", "user+tag@example.test", "\"quoted string\"@example.test",
            "\"a\\\"b\"@example.test", "\"\"@example.test", "\"a@b\"@c", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
            "a@[IPv6:::1]", "a@[IPv6:1:2:3:4:5:6:7:8]", "a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:1::]",
            "a@[x-tag:content]",
            "grå@example.test", "用户@例子.广告", "o'neil@example.test", "under_score@sub_domain.test", "=?x@y", "a@1.2.3",
        ])
    func accepted(text: String) {
        #expect(MailAddress(text)?.text == text)
    }

    @Test(
        "What is no address",
        arguments: [
            "", "a", "@b", "a@", "a@b@c", "a b@c", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", "a@-b", "a@b-",
            "\"a@b", "\"a\"b@c", "\"a\u{1}b\"@c", "a@[1.2.3]", "a@[1.2.3.256]", "a@[1.2.3.4", "a@[IPv6:1:2]",
            "a@[IPv6:1::2::3]", "a@[IPv6:12345::]", "a@[IPv6:1:2:3:4:5:6:7:8:9]", "a@[IPv6::1]", "a@[IPv6:1:]",
            "a@[IPv6:1:2:3:4:5:6:7::8]x", "a@[]", "a@[x:]", "a\u{7f}@b", "a<@b", "a@b>",
        ])
    func refused(text: String) {
        #expect(MailAddress(text) == nil)
    }

    @Test("Octets that are not UTF-8 are no address (RFC 6531, 3.3)")
    func invalidUTF8() {
        #expect(problem(of: "MAIL FROM:<a@b>") == nil)
        var octets = Array("MAIL FROM:<a".utf8)
        octets.append(0xFF)
        octets += Array("@b>".utf8)
        do throws(CommandError) {
            _ = try Command.parse(.init(bytes: octets))
            Issue.record("accepted")
        } catch {
            #expect(error.problem == .invalidUTF8)
        }
    }

    @Test("Parts of an address")
    func parts() {
        let quoted = address("\"a \\\"b\\\\\"@[192.0.2.1]")
        #expect(quoted.localPart == "\"a \\\"b\\\\\"")
        #expect(quoted.unquotedLocalPart == "a \"b\\")
        #expect(quoted.domain == "[192.0.2.1]")
        #expect(quoted.hasAddressLiteral && quoted.isASCII)
        let international = address("grå@example.test")
        #expect(!international.isASCII && international.localPart == "grå" && international.domain == "example.test")
        #expect(international.unquotedLocalPart == "grå" && !international.hasAddressLiteral)
    }

    @Test("Each limit of RFC 5321, 4.5.3.1 is reached and not crossed")
    func limits() {
        func text(_ count: Int) -> String { String(repeating: "a", count: count) }
        #expect(MailAddress("\(text(64))@b") != nil)
        #expect(MailAddress("\(text(65))@b") == nil)
        #expect(MailAddress("\(text(254))@b", limits: .receiving) != nil)
        #expect(MailAddress("\(text(255))@b", limits: .receiving) == nil)
        #expect(MailAddress("a@\(text(63))") != nil)
        #expect(MailAddress("a@\(text(64))") == nil)
        let domain = "\(text(63)).\(text(63)).\(text(63)).\(text(63))"
        #expect(domain.count == 255 && MailAddress("a@\(domain)") != nil)
        #expect(MailAddress("a@\(domain).x") == nil)
        #expect(problem(of: "MAIL FROM:<\(text(254))@\(domain)>") == nil)
        #expect(problem(of: "MAIL FROM:<@x:\(text(254))@\(domain)>") == .addressTooLong)
    }

    @Test("A source route is read and dropped (RFC 5321, appendix C)")
    func sourceRoute() throws {
        let command = try parse("RCPT TO:<@hosta.int,@jkl.org:userc@d.bar.org>")
        #expect(command == .rcpt(.mailbox(address("userc@d.bar.org")), RcptParameters()))
        #expect(problem(of: "RCPT TO:<@hosta.int,userc@d.bar.org>") == .badAddress)
    }
}
