import TestSupport
import Testing

@testable import IMAPAccess

/// PREVIEW beyond what a dialogue shows (RFC 8970).
@Suite("Previews")
struct PreviewTests {
    @Test("LAZY makes few, of messages that are not large; what was made is kept", .timeLimit(.minutes(1)))
    func lazy() async throws {
        var limits = Limits()
        limits.lazyPreviews = 2
        limits.lazyPreviewOctets = 1000
        try await TestServer.run(limits: limits) { server in
            server.store.deliver("Subject: long\r\n\r\nlong\r\n" + String(repeating: "x", count: 1000))
            for number in 2...5 { server.store.deliver("Subject: x\r\n\r\nmessage \(number)\r\n") }
            let client = try await server.select()
            #expect(
                try await client.ok("FETCH 1:* (PREVIEW (LAZY))") == [
                    "* 1 FETCH (PREVIEW NIL)", "* 2 FETCH (PREVIEW \"message 2\")",
                    "* 3 FETCH (PREVIEW \"message 3\")", "* 4 FETCH (PREVIEW NIL)", "* 5 FETCH (PREVIEW NIL)",
                ])
            let calls = server.store.calls("fetched messages")
            #expect(calls == 2)
            #expect(
                try await client.ok("FETCH 2,4 (PREVIEW)") == [
                    "* 2 FETCH (PREVIEW \"message 2\")", "* 4 FETCH (PREVIEW \"message 4\")",
                ])
            #expect(server.store.calls("fetched messages") == calls + 1)
            // Another session has them at once.
            let other = try await server.select()
            #expect(try await other.ok("FETCH 4 PREVIEW (LAZY)") == ["* 4 FETCH (PREVIEW \"message 4\")"])
            #expect(server.store.calls("fetched messages") == calls + 1)
            await client.close()
            await other.close()
        }
    }

    @Test("Text behind much markup, in later parts, and none", .timeLimit(.minutes(1)))
    func parts() async throws {
        func multipart(_ parts: [String]) -> String {
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts.map { "--b\r\n\($0)\r\n" }.joined()
                + "--b--\r\n"
        }
        let style = "<style>" + String(repeating: "p {color: red}\r\n", count: 6000) + "</style>"
        let endless = "<style>" + String(repeating: "p {color: red}\r\n", count: 20_000) + "</style>"
        let messages: [(String, String)] = [
            ("Content-Type: text/html\r\n\r\n\(style)<p>behind it", "behind it"),
            ("Content-Type: text/html\r\n\r\n\(endless)<p>too far", ""),
            (multipart(["\r\n \r\n", "Content-Type: text/html\r\n\r\n<img src=x>", "\r\nthird"]), "third"),
            (multipart(["Content-Disposition: attachment\r\n\r\nlog", "\r\nmine"]), "mine"),
            (multipart(["Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR"]), ""),
            (multipart(["Content-Transfer-Encoding: x-odd\r\n\r\nodd", "\r\neven"]), "even"),
            ("\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n", ""), ("Subject: nothing\r\n\r\n", ""),
            (
                "Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n",
                "Привет"
            ),
            (
                "\r\n" + String(repeating: "word ", count: 100_000),
                String(repeating: "word ", count: 39) + "word"
            ),
        ]
        try await TestServer.run { server in
            for (message, _) in messages { server.store.deliver(message) }
            let client = try await server.select()
            try await client.ok("ENABLE IMAP4rev2")
            let lines = try await client.ok("FETCH 1:* PREVIEW")
            #expect(
                lines == messages.enumerated().map { "* \($0.offset + 1) FETCH (PREVIEW \"\($0.element.1)\")" })
            await client.close()
        }
    }

    @Test("Many messages are read in batches; one that is gone is left out", .timeLimit(.minutes(1)))
    func batches() async throws {
        try await TestServer.run { server in
            for number in 1...150 { server.store.deliver("Subject: x\r\n\r\nmessage \(number)\r\n") }
            let client = try await server.select()
            server.store.state.withLock { _ = $0.mailboxes[0].remove([70]) }
            let lines = try await client.command("FETCH 1:* PREVIEW")
            #expect(lines.last?.hasPrefix("t NO [EXPUNGEISSUED]") == true)
            let expected = (1...150).filter { $0 != 70 }.map { "* \($0) FETCH (PREVIEW \"message \($0)\")" }
            #expect(Array(lines.dropLast()) == expected)
            #expect(server.store.calls("fetch") == 3)
            await client.close()
        }
    }

    @Test("The cache keeps no more than it may, and what is asked for stays")
    func cache() {
        let cache = PreviewCache(limit: 100)
        for uid: UInt32 in 1...1000 {
            cache.keep([uid: "\(uid)"], of: 1)
            #expect(cache.preview(1, 1) == "1")
            #expect(cache.preview(1, uid) == "\(uid)")
            #expect(cache.preview(2, uid) == nil)
            #expect(cache.count <= 100)
        }
        #expect(cache.preview(1, 2) == nil)
    }
}
