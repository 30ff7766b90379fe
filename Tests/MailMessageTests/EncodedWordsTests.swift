import Testing

@testable import MailMessage

@Suite("Encoded-words and extended parameters")
struct EncodedWordsTests {
    @Test(
        "decode as RFC 2047, 8 shows",
        arguments: [
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example."
            ),
            ("=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "םולש ןב ילטפנ"),
            ("=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
        ])
    func standard(_ value: String, _ expected: String) {
        #expect(EncodedWords.decode(Array(value.utf8)) == expected)
    }

    @Test("join a character that two words share, and leave what is no word")
    func lenient() {
        #expect(EncodedWords.decode(Array("=?utf-8?B?4oI=?= =?UTF-8?B?rA==?=".utf8)) == "€")
        #expect(EncodedWords.decode(Array("=?utf-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC?= x".utf8)) == "€ x")
        #expect(EncodedWords.decode(Array("a =? b ?= c".utf8)) == "a =? b ?= c")
        #expect(EncodedWords.decode(Array("=?x?q?never closed".utf8)) == "=?x?q?never closed")
        #expect(EncodedWords.decode(Array("=?utf-8?z?x?=".utf8)) == "=?utf-8?z?x?=")
        #expect(EncodedWords.decode(Array("naïve".utf8)) == "naïve")
        #expect(EncodedWords.decode([0x6E, 0x61, 0xEF, 0x76, 0x65]) == "naïve")
        #expect(EncodedWords.decode(Array("=?no-such-charset?q?=C3=A4?=".utf8)) == "ä")
        #expect(EncodedWords.decode(Array("=?ISO-2022-JP?B?GyRCRnxLXDhsGyhC?=".utf8)) == "日本語")
        #expect(EncodedWords.decode(Array("=?ks_c_5601-1987?B?x9GxuQ==?=".utf8)) == "한국")
    }

    @Test("give the octets that they are written in")
    func octets() {
        let words = Array("a =?koi8-r?q?=C1?= =?utf-8?b?w6Q=?= b".utf8)
        #expect(EncodedWords.octets(words) == [0x61, 0x20, 0xC1, 0xC3, 0xA4, 0x20, 0x62])
        #expect(EncodedWords.octets([0xFF, 0x20]) == [0xFF, 0x20])
        #expect(EncodedWords.octets(Array("1 = 1".utf8)) == Array("1 = 1".utf8))
    }

    @Test("that never end take linear time")
    func hostile() {
        let value = Array(String(repeating: "=?a?q?b", count: 40_000).utf8)
        #expect(EncodedWords.decode(value).utf8.count == value.count)
        let words = Array(String(repeating: "=?utf-8?q?a?= ", count: 20_000).utf8)
        #expect(EncodedWords.decode(words).utf8.count == 20_001)
    }

    private func value(_ name: String, _ field: String) -> String? {
        ExtendedParameters.value(of: name, in: ContentTypeField(Array(field.utf8), parameterLimit: 64).parameters)
    }

    @Test("parameters continue and carry a charset as RFC 2231 shows")
    func extendedParameters() {
        #expect(
            value("url", "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/x.txt\"")
                == "ftp://cs.utk.edu/pub/x.txt")
        #expect(
            value("title", "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")
                == "This is ***fun***")
        #expect(
            value(
                "title",
                "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\""
            ) == "This is even more ***fun*** isn't it!")
    }

    @Test("parameters in disorder, with gaps, or as encoded-words")
    func lenientParameters() {
        #expect(value("name", "a/b; name*1=two; name*0=one") == "onetwo")
        #expect(value("name", "a/b; name*0=one; name*2=three") == "one")
        #expect(value("name", "a/b; name*1=two") == nil)
        #expect(value("name", "a/b; name=\"=?utf-8?q?J=C3=BC?=\"") == "Jü")
        #expect(value("name", "a/b; name*=utf-8''%C3%A4; name=plain") == "ä")
        #expect(value("name", "a/b; name=with space; x=y") == "with")
        #expect(value("name", "a/b;;; name = \"q\\\"uo\\\\te\" x=y") == "q\"uo\\te")
        #expect(value("x", "a/b; (comment) x=(c)y(z)") == "y(z)")
        #expect(value("charset", "text/plain; =bad; charset=utf-8") == "utf-8")
    }
}
