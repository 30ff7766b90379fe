import Contracts
import Foundation
import Messaging
import NIOCore
import NIOPosix
import TestSupport
import Testing

/// The IMAP service as a process; storage, content processing and authentication are stubs.
@Suite("martlet-imap-access", .timeLimit(.minutes(8)))
struct AccessProcessTests {
    @Test("serves a session from what its peers say, and hands what the user does on to them")
    func session() async throws {
        try await AccessHouse.run { access in
            access.store.deliver(AccessHouse.message(1))
            let client = try await access.login()
            #expect(try await client.ok("SELECT INBOX").contains("* 1 EXISTS"))
            #expect(
                try await client.ok("FETCH 1 (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                    == ["* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] {22}\r\nSubject: message 1\r\n\r\n)"])
            #expect(try await client.ok("STORE 1 +FLAGS (\\Seen)") == ["* 1 FETCH (FLAGS (\\Seen))"])
            #expect(access.store.messages().map(\.flags) == [1])
            let appended = try await client.append(AccessHouse.message(2), to: "Sent", flags: "(\\Flagged) ")
            #expect(appended.last?.hasPrefix("t OK [APPENDUID 1001 1]") == true, "\(appended)")
            let sent = try #require(access.store.messages(in: "Sent").first)
            #expect(sent.octets == Array(AccessHouse.message(2).utf8) && sent.flags == 4)
            for call in ["view", "storeFlags", "append"] { #expect(access.store.calls(call) > 0, "\(call)") }
            #expect(try await client.command("LOGOUT").last?.hasPrefix("t OK") == true)
        }
    }

    @Test("tells an idle session of a change that storage announces")
    func idle() async throws {
        try await AccessHouse.run { access in
            let client = try await access.login()
            try await client.ok("SELECT INBOX")
            try await client.send("i IDLE\r\n")
            #expect(try await client.line().hasPrefix("+"))
            access.store.deliver(AccessHouse.message(1))
            #expect(try await client.line() == "* 1 EXISTS")
            try await client.send("DONE\r\n")
            #expect(try await client.answer("i").last?.hasPrefix("i OK") == true)
            await client.close()
        }
    }

    @Test("shows no password in clear: LOGIN is refused before STARTTLS, and works behind it")
    func startTLS() async throws {
        try await AccessHouse.run { access in
            let client = try await access.connect("imap")
            let login = "LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\""
            #expect(try await client.command(login).last?.hasPrefix("t NO [PRIVACYREQUIRED]") == true)
            try await client.ok("STARTTLS")
            try await client.startTLS()
            #expect(
                try await client.command("LOGIN nobody \"x\"").last?.hasPrefix("t NO [AUTHENTICATIONFAILED]") == true)
            try await client.ok(login)
            #expect(access.sasl.bindings.withLock { $0 }.contains("tls-exporter"))
            await client.close()
        }
    }

    @Test("takes the client's address from a trusted proxy, and nothing without its header")
    func proxy() async throws {
        try await AccessHouse.run(adding: ["proxy:", "  trusted: [127.0.0.1]"]) { access in
            let client = try await access.login(preface: ProxyHeaders.binary(from: [192, 0, 2, 7]))
            #expect(access.sasl.clientAddresses.withLock { $0 } == ["192.0.2.7"])
            await client.close()
            let bare = try await IMAPClient(
                try access.house.port("imap").address, on: MultiThreadedEventLoopGroup.singleton)
            try await bare.send("a NOOP\r\n")
            await #expect(throws: (any Error).self) { try await bare.line() }
        }
    }

    @Test("killed under load: sessions end, each APPEND that was answered is there once, and users come back")
    func killedUnderLoad() async throws {
        try await AccessHouse.run { access in
            let load = try await Load<String>.run(clients: 4) {
                let client = try await access.login()
                try await client.ok("SELECT INBOX")
                return client
            } step: { client, number in
                let lines = try await client.append(AccessHouse.message(number))
                guard let last = lines.last, last.hasPrefix("t OK") else { throw TestFailure("\(lines)") }
                try await client.ok("UID FETCH * (FLAGS BODY.PEEK[TEXT])")
                return last
            } during: { load in
                for _ in 1...2 {
                    try await load.untilAnswered(40)
                    try await access.restart()
                }
                try await load.untilAnswered(40)
            }
            let stored = Dictionary(grouping: access.store.messages()) { String(decoding: $0.octets, as: UTF8.self) }
            for (number, answer) in load.answers {
                let found = try #require(stored[AccessHouse.message(number)], "message \(number)")
                #expect(found.count == 1, "message \(number)")
                #expect(answer.hasPrefix("t OK [APPENDUID 1000 \(found[0].uid)]"), "\(answer)")
            }
            // Nothing else is there than what clients sent, whole.
            for text in stored.keys {
                let number = try #require(Int(text.dropFirst("Subject: message ".count).prefix { $0.isNumber }))
                #expect(text == AccessHouse.message(number))
            }
            #expect(!load.failures.isEmpty)
        }
    }

    @Test("killed in the middle of a large APPEND leaves nothing of it, and storage's and its own peers go on")
    func killedInAnUpload() async throws {
        try await AccessHouse.run { access in
            let client = try await access.login()
            let message = "Subject: large\r\n\r\n" + String(repeating: "some line of text\r\n", count: 500_000)
            try await client.send("t APPEND INBOX {\(message.utf8.count)+}\r\n")
            try await client.send(String(message.prefix(message.count / 2)))
            try await eventually("the upload to begin") { access.store.calls("append") == 1 }
            try await access.restart()
            await #expect(throws: (any Error).self) { try await client.answer() }
            try await eventually("content processing to hear of the end") {
                access.store.state.withLock(\.abandonedUploads) == 1
            }
            #expect(access.store.messages().isEmpty)
            let second = try await access.login()
            #expect(try await second.append(message).last?.hasPrefix("t OK") == true)
            #expect(access.store.messages().map(\.octets.count) == [message.utf8.count])
            await second.close()
        }
    }

    @Test("says NO [UNAVAILABLE] while storage is away, and serves the same session within two seconds of its return")
    func storageAway() async throws {
        // What is kept near the reader would be served all the same.
        try await AccessHouse.run(adding: ["messages:", "  cached: 0"]) { access in
            access.store.deliver(AccessHouse.message(1))
            let client = try await access.login()
            try await client.ok("SELECT INBOX")
            func answer() async throws -> String? { try await client.command("FETCH 1 BODY.PEEK[TEXT]").last }
            #expect(try await answer()?.hasPrefix("t OK") == true)
            try await expectPromptReturn(of: access.storage) { () async throws in
                #expect(try await answer()?.hasPrefix("t NO [UNAVAILABLE]") == true)
                #expect(
                    try await client.command("STATUS Sent (MESSAGES)").last?.hasPrefix("t NO [UNAVAILABLE]") == true)
                // What needs no peer is answered all the same.
                #expect(try await client.ok("FETCH 1 FLAGS") == ["* 1 FETCH (FLAGS ())"])
            } isServed: {
                try await answer()?.hasPrefix("t OK") == true
            }
            await client.close()
        }
    }

    @Test("says NO [UNAVAILABLE] to LOGIN while authentication is away, and lets users in within two seconds")
    func authenticationAway() async throws {
        try await AccessHouse.run { access in
            let client = try await access.connect("imaps")
            let login = "LOGIN \(MemorySasl.address) \"\(MemorySasl.password)\""
            try await expectPromptReturn(of: access.authentication) { () async throws in
                #expect(try await client.command(login).last?.hasPrefix("t NO [UNAVAILABLE]") == true)
            } isServed: {
                let other = try await access.connect("imaps")
                defer { other.channel.close(promise: nil) }
                return try await other.command(login).last?.hasPrefix("t OK") == true
            }
            await client.close()
        }
    }

    @Test("says NO [UNAVAILABLE] to APPEND while content processing is away, and takes it within two seconds")
    func contentAway() async throws {
        try await AccessHouse.run { access in
            // A session each: one that fails too often is ended.
            func answer() async throws -> String? {
                let client = try await access.login()
                let answer = try await client.append(AccessHouse.message(1)).last
                await client.close()
                return answer
            }
            #expect(try await answer()?.hasPrefix("t OK") == true)
            try await expectPromptReturn(of: access.content) { () async throws in
                #expect(try await answer()?.hasPrefix("t NO [UNAVAILABLE]") == true)
            } isServed: {
                try await answer()?.hasPrefix("t OK") == true
            }
        }
    }

    @Test("told to leave says BYE to who idles, finishes the command in hand, and leaves with status 0")
    func drains() async throws {
        try await AccessHouse.run { access in
            let idle = try await access.login()
            try await idle.ok("SELECT INBOX")
            try await idle.send("i IDLE\r\n")
            #expect(try await idle.line().hasPrefix("+"))
            let busy = try await access.login()
            try await busy.send("t APPEND INBOX {20}\r\n")
            #expect(try await busy.line().hasPrefix("+"))
            access.running.leave()
            #expect(try await idle.line().hasPrefix("* BYE"))
            try await busy.send("Subject: x\r\n\r\nabcd\r\n\r\n")
            #expect(try await busy.answer().last?.hasPrefix("t OK") == true)
            #expect(try await busy.line().hasPrefix("* BYE"))
            #expect(try await access.running.end() == .exited(0), "\(access.running.errors)")
        }
    }
}
