import MailMessage
import TestSupport
import Testing

@testable import IMAPAccess

/// Each section of a message is, octet for octet, what lies at its place (RFC 9051, 6.4.5.1).
@Suite struct SectionTests {
    @Test("Sections of the stored message", .timeLimit(.minutes(1)))
    func sections() async throws {
        try await TestServer.run { server in
            server.store.deliver(Fixtures.mixed)
            let prefix = MemoryStore.prefix
            let received = Array(Fixtures.mixed.utf8)
            let index = try MessageParser.parse(received, limits: MIMELimits()).index
            let stored = prefix + received
            let client = try await server.select()
            func fetch(_ section: String, _ partial: String = "") async throws -> [UInt8] {
                try await client.send("t FETCH 1 BODY.PEEK[\(section)]\(partial)\r\n")
                let line = try await client.octets()
                _ = try await client.answer()
                guard let open = line.firstIndex(of: UInt8(ascii: "{")), let end = line[open...].firstIndex(of: 10)
                else { throw TestFailure("no literal: \(String(decoding: line, as: UTF8.self))") }
                return Array(line[(end + 1)...].dropLast())
            }
            func part(_ range: Range<Int>?) throws -> [UInt8] {
                guard let range else { throw TestFailure("no such part") }
                return Array(received[range])
            }
            #expect(try await fetch("") == stored)
            let header = prefix + received[index.root.header]
            #expect(try await fetch("HEADER") == header)
            #expect(try await fetch("TEXT") == part(index.octets(of: [], .text)))
            for path in [[1], [2], [3], [4], [3, 1], [3, 2]] {
                let name = path.map(String.init).joined(separator: ".")
                #expect(try await fetch(name) == part(index.octets(of: path, .body)))
                #expect(try await fetch(name + ".MIME") == part(index.octets(of: path, .mime)))
            }
            #expect(try await fetch("3.HEADER") == part(index.octets(of: [3], .header)))
            #expect(try await fetch("3.TEXT") == part(index.octets(of: [3], .text)))
            #expect(
                try await fetch("3.HEADER.FIELDS (SUBJECT)") == Array("Subject: nested\r\n\r\n".utf8))
            // Every partial range of a part.
            let whole = try part(index.octets(of: [1], .body))
            for offset in 0...whole.count + 1 {
                let expected = Array(whole.dropFirst(offset).prefix(7))
                #expect(try await fetch("1", "<\(offset).7>") == expected)
            }
            await client.close()
        }
    }

    @Test("A large message streams, whole, in part and decoded", .timeLimit(.minutes(1)))
    func large() async throws {
        try await TestServer.run { server in
            let line = String(repeating: "0123456789abcdef", count: 4) + "\r\n"
            let text = "Subject: large\r\n\r\n" + String(repeating: line, count: 30_000)
            server.store.deliver(text)
            let client = try await server.select()
            let stored = MemoryStore.prefix + Array(text.utf8)
            try await client.send("t FETCH 1 BODY.PEEK[]\r\n")
            var answer = try await client.octets()
            #expect(answer.count > stored.count)
            #expect(Array(answer.dropLast().suffix(stored.count)) == stored)
            _ = try await client.answer()
            try await client.send("t FETCH 1 (BODY.PEEK[TEXT]<1000000.50> BINARY.SIZE[1] BINARY.PEEK[1]<66.10>)\r\n")
            answer = try await client.octets()
            let shown = String(decoding: answer, as: UTF8.self)
            let body = Array(text.utf8).dropFirst("Subject: large\r\n\r\n".utf8.count)
            let piece = String(decoding: body.dropFirst(1_000_000).prefix(50), as: UTF8.self)
            #expect(shown.contains("BODY[TEXT]<1000000> {50}\r\n\(piece)"))
            #expect(shown.contains("BINARY.SIZE[1] \(body.count)"))
            #expect(shown.hasSuffix("{10}\r\n0123456789)"))
            _ = try await client.answer()
            // SEARCH reads it part by part.
            #expect(try await client.ok("SEARCH BODY \"abcdef\"") == ["* SEARCH 1"])
            #expect(try await client.ok("SEARCH BODY \"abcdeg\"") == ["* SEARCH"])
            await client.close()
        }
    }

    @Test("A large message goes on when storage comes back", .timeLimit(.minutes(1)))
    func storageGoesAwayInTheMiddle() async throws {
        try await TestServer.run { server in
            let text = "Subject: large\r\n\r\n" + String(repeating: "some line of text\r\n", count: 40_000)
            server.store.deliver(text)
            let client = try await server.select()
            server.store.state.withLock { $0.failAfterOctets = 300_000 }
            try await client.send("t FETCH 1 BODY.PEEK[]\r\n")
            let answer = try await client.octets()
            let stored = MemoryStore.prefix + Array(text.utf8)
            #expect(Array(answer.dropLast().suffix(stored.count)) == stored)
            #expect(try await client.answer().last?.hasPrefix("t OK") == true)
            await client.close()
        }
    }

    @Test("Many small messages come in order", .timeLimit(.minutes(1)))
    func many() async throws {
        try await TestServer.run { server in
            for number in 1...300 { server.store.deliver("Subject: \(number)\r\n\r\nbody \(number)\r\n") }
            let client = try await server.select()
            let lines = try await client.ok("FETCH 1:* (UID BODY.PEEK[TEXT])")
            #expect(lines.count == 300)
            for (number, line) in zip(1..., lines) {
                #expect(line.hasPrefix("* \(number) FETCH (UID \(number) "))
                #expect(line.hasSuffix("body \(number)\r\n)"))
            }
            #expect(server.store.calls("fetchOctets") == 0)
            #expect(server.store.calls("fetch") == 1)
            await client.close()
        }
    }
}
