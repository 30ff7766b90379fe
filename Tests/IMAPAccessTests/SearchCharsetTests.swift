import IMAPSyntax
import TestSupport
import Testing

@testable import IMAPAccess

/// SEARCH in other charsets than UTF-8, and by the collation of I18NLEVEL=1 (RFC 9051, 6.4.4; RFC 5255).
@Suite("Searching in any charset")
struct SearchCharsetTests {
    private func search(_ client: IMAPClient, _ command: String, _ octets: [UInt8]) async throws -> String {
        try await client.send(Array("t \(command) {\(octets.count)+}\r\n".utf8) + octets + Array("\r\n".utf8))
        let lines = try await client.answer()
        return lines.count > 1 ? lines[0] : lines.last ?? ""
    }

    @Test("The strings are in the charset that the command names", .timeLimit(.minutes(1)))
    func charsets() async throws {
        try await TestServer.run { server in
            server.store.deliver("Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\n")
            server.store.deliver(
                "Subject: =?iso-2022-jp?b?GyRCRnxLXDhsGyhC?=\r\nContent-Type: text/plain; charset=windows-1252\r\n"
                    + "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe f=FCr 5=80\r\n")
            let client = try await server.select()
            let privet: [UInt8] = [0xD0, 0xD2, 0xC9, 0xD7, 0xC5, 0xD4]
            #expect(try await search(client, "SEARCH CHARSET KOI8-R SUBJECT", privet) == "* SEARCH 1")
            #expect(try await search(client, "SEARCH CHARSET koi8-r TEXT", privet) == "* SEARCH 1")
            let windows: [UInt8] = [0xEF, 0xF0, 0xE8, 0xE2, 0xE5, 0xF2]
            #expect(try await search(client, "SORT (DATE) WINDOWS-1251 SUBJECT", windows) == "* SORT 1")
            #expect(try await search(client, "THREAD REFS WINDOWS-1251 SUBJECT", windows) == "* THREAD (1)")
            // The same octets are something else in another charset.
            #expect(try await search(client, "SEARCH CHARSET WINDOWS-1251 SUBJECT", privet) == "* SEARCH")
            let nihongo: [UInt8] = [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x38, 0x6C, 0x1B, 0x28, 0x42]
            #expect(try await search(client, "SEARCH CHARSET ISO-2022-JP SUBJECT", nihongo) == "* SEARCH 2")
            #expect(
                try await search(client, "SEARCH CHARSET SHIFT_JIS SUBJECT", [0x93, 0xFA, 0x96, 0x7B]) == "* SEARCH 2")
            #expect(
                try await search(client, "SEARCH CHARSET ISO-8859-1 BODY", [0x47, 0x52, 0xDC, 0xDF]) == "* SEARCH 2")
            #expect(try await search(client, "SEARCH CHARSET ISO-8859-15 BODY", [0x35, 0xA4]) == "* SEARCH 2")
            // Nothing is left of one string when the next is read.
            try await client.send(
                Array("t SEARCH CHARSET ISO-2022-JP OR SUBJECT {3+}\r\n".utf8) + [0x1B, 0x24, 0x42]
                    + Array(" SUBJECT x\r\n".utf8))
            #expect(try await client.answer().first == "* SEARCH 1 2")
            await client.close()
        }
    }

    @Test("What is not in the charset is BAD, what is in no charset NO", .timeLimit(.minutes(1)))
    func refusals() async throws {
        try await TestServer.run { server in
            let client = try await server.select()
            #expect(try await search(client, "SEARCH CHARSET UTF-8 TEXT", [0xC3]).hasPrefix("t BAD"))
            #expect(try await search(client, "SEARCH TEXT", [0xFF]).hasPrefix("t BAD"))
            #expect(try await search(client, "SEARCH CHARSET EUC-JP TEXT", [0xC6]).hasPrefix("t BAD"))
            #expect(try await search(client, "SEARCH CHARSET UTF8 TEXT", [0x61, 0xFF]).hasPrefix("t BAD"))
            for charset in [
                "X-UNKNOWN", "\"\"", "\"../../etc/passwd\"", "\"UTF-8//IGNORE\"", String(repeating: "A", count: 500),
            ] {
                let lines = try await client.command("SEARCH CHARSET \(charset) ALL")
                #expect(lines.last?.hasPrefix("t NO [BADCHARSET (US-ASCII UTF-8)]") == true, "\(charset)")
            }
            #expect(try await client.ok("SEARCH CHARSET UTF-8 ALL") == ["* SEARCH"])
            await client.close()
        }
    }

    @Test("Composed or not, wide or not, in any case (RFC 5051)", .timeLimit(.minutes(1)))
    func collation() async throws {
        try await TestServer.run { server in
            server.store.deliver(
                "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
                    + "Άλφα Ωμέγα ﬁn\r\n")
            server.store.deliver("Subject: Gru\u{308}ße\r\n\r\n")
            let client = try await server.select()
            for text in ["grüße", "gru\u{308}ße", "GRÜß", "gru", "ＧＲＵ"] {
                #expect(
                    try await search(client, "SEARCH CHARSET UTF-8 SUBJECT", Array(text.utf8)) == "* SEARCH 1 2",
                    "\(text)")
            }
            for text in ["άλφα", "ΩΜΈΓΑ", "\u{2126}με", "ﬁN"] {
                #expect(
                    try await search(client, "SEARCH CHARSET UTF-8 TEXT", Array(text.utf8)) == "* SEARCH 1", "\(text)")
            }
            #expect(try await search(client, "SEARCH CHARSET UTF-8 SUBJECT", Array("grüsse".utf8)) == "* SEARCH")
            await client.close()
        }
    }

    @Test("A needle is found where what comes of characters is shorter than they are")
    func shrinking() async throws {
        // Four octets each, of which one is left.
        let text = Array(String(repeating: "\u{1D400}", count: 50_000).utf8)
        let needle = TextNeedle(String(repeating: "a", count: 3000) + "b")
        for cut in stride(from: 0, to: 60, by: 7) {
            let isFound = try await blocking {
                var scanner = TextScanner([needle])
                scanner.consume(text[..<(text.count / 2 + cut)])
                scanner.consume(text[(text.count / 2 + cut)...])
                scanner.consume("\u{1D401}".utf8)
                scanner.endOfText()
                return scanner.isComplete
            }
            #expect(isFound)
        }
    }
}
