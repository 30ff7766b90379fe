import Contracts
import Foundation
import TestSupport
import Testing

@testable import IMAPAccess

/// A file of Dialogues: what clients send and what must come back.
///
///     # a comment, best with the RFC's section
///     ! connect | login | deliver MESSAGE | day passes | save dates lost | quota OCTETS MESSAGES
///                                              what happens besides; a digit after `!`, `C` or `S` names the session
///     ! make ADDRESS MAILBOX | grant ADDRESS MAILBOX IDENTIFIER RIGHTS
///                                              in somebody's account; RIGHTS of `none` takes the entry away; `login` may name
///                                              somebody, too
///     ! limit messages N                       one command deals with so many (MESSAGELIMIT); stands first
///     ! compress | uncompress                  the client compresses what follows, or no more
///     C: a NOOP                                a line that the client sends; ↵ stands for CRLF within
///     S: a OK *                                a line that must come; `*` at the end stands for anything
///     S: ...                                   any number of lines before the next one
struct Dialogue: Sendable, CustomTestStringConvertible {
    enum Step: Sendable {
        case client(Int, String)
        case server(Int, String)
        case event(Int, [String])
    }

    let name: String
    let steps: [Step]
    var testDescription: String { name }

    static let all: [Dialogue] = {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Dialogues")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted().compactMap { name in
            (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)).map {
                Dialogue(name: String(name.dropLast(4)), text: $0)
            }
        }
    }()

    init(name: String, text: String) {
        self.name = name
        steps = text.split(separator: "\n").compactMap { line in
            guard let kind = line.first, "CS!".contains(kind) else { return nil }
            let session = line.dropFirst().first?.wholeNumberValue
            var rest = line.dropFirst(session == nil ? 1 : 2)
            if rest.first == ":" { rest = rest.dropFirst() }
            if rest.first == " " { rest = rest.dropFirst() }
            let text = rest.replacingOccurrences(of: "↵", with: "\r\n")
            switch kind {
            case "C": return .client(session ?? 1, text)
            case "S": return .server(session ?? 1, text)
            default: return .event(session ?? 1, text.split(separator: " ").map(String.init))
            }
        }
    }

    /// What the server is to be limited to.
    var limits: Limits {
        var limits = Limits()
        for case .event(_, let words) in steps where words.first == "limit" {
            limits.commandMessages = words.last.flatMap { Int($0) } ?? 0
        }
        return limits
    }

    func play(on server: TestServer) async throws {
        // Who asks before it is known what authentication offers is told what is always there.
        try await eventually("the mechanisms") {
            await server.services.mechanisms.mechanisms(overTLS: false, channelBindings: []) == ["TEST-STEPS"]
        }
        var clients: [Int: IMAPClient] = [:]
        var skipping: Set<Int> = []
        func client(_ number: Int) throws -> IMAPClient {
            guard let client = clients[number] else { throw TestFailure("session \(number) was not begun") }
            return client
        }
        for step in steps {
            switch step {
            case .event(let number, let words):
                switch words.first {
                case "connect": clients[number] = try await server.connect()
                case "login":
                    clients[number] = try await server.login(as: words.dropFirst().first ?? MemorySasl.address)
                case "make" where words.count == 3:
                    server.store.make(words[2], of: words[1])
                case "grant" where words.count == 5:
                    guard let rights = MailboxRights(letters: words[4] == "none" ? "" : words[4]) else {
                        throw TestFailure("no such rights: \(words)")
                    }
                    server.store.grant(rights, to: words[3], on: words[2], of: words[1])
                case "compress": try await client(number).compress()
                case "uncompress": try await client(number).endCompression()
                case "deliver":
                    guard let message = Fixtures.named[words.last ?? ""] else { throw TestFailure("no such message") }
                    server.store.deliver(message)
                case "limit": break
                case "day": server.store.passDay()
                case "save": server.store.forgetSaveDates()
                case "quota":
                    server.store.state.withLock { state in
                        state.octetsLimit = words.dropFirst().first.flatMap { Int64($0) } ?? 0
                        state.messagesLimit = words.dropFirst(2).first.flatMap { Int64($0) } ?? 0
                    }
                case "ended": try await client(number).untilEnd()
                default: throw TestFailure("no such event: \(words)")
                }
            case .client(let number, let text):
                try await client(number).send(text + "\r\n")
            case .server(let number, "..."):
                skipping.insert(number)
            case .server(let number, let expected):
                var line = try await client(number).line()
                while skipping.contains(number), !Self.matches(line, expected) {
                    line = try await client(number).line()
                }
                skipping.remove(number)
                guard Self.matches(line, expected) else {
                    throw TestFailure(
                        "expected: \(expected)\n    came: \(line.replacingOccurrences(of: "\r\n", with: "↵"))")
                }
            }
        }
        for client in clients.values { await client.close() }
    }

    private static func matches(_ line: String, _ expected: String) -> Bool {
        expected.hasSuffix("*") && !expected.hasSuffix("\\*") ? line.hasPrefix(expected.dropLast()) : line == expected
    }
}
