import Contracts
import IMAPSyntax
import Messaging
import TestSupport
import Testing

@testable import IMAPAccess

/// The table of RFC 4314, 4: every command, and the rights that it cannot be without. `$` is somebody else's mailbox with
/// one message, which was given to the user with some of its rights; `&` is another one with all of them.
private struct GuardedCommand: Sendable, CustomTestStringConvertible {
    let text: String
    /// Without any one of these it is refused.
    let needs: MailboxRights
    /// It is a command of the selected state, `$` being selected.
    var isSelected = false
    /// It is one that tells a client to create a mailbox that is not there (RFC 9051, 6.3.12).
    var isTarget = false

    var testDescription: String { text }

    static let all: [GuardedCommand] = [
        .init(text: "SELECT $", needs: .read),
        .init(text: "EXAMINE $", needs: .read),
        .init(text: "STATUS $ (MESSAGES UIDNEXT UNSEEN)", needs: .read),
        .init(text: "GETQUOTAROOT $", needs: .read),
        .init(text: "CREATE $/below", needs: .createMailboxes),
        .init(text: "DELETE $", needs: .deleteMailbox),
        .init(text: "RENAME $ &/renamed", needs: .deleteMailbox),
        .init(text: "RENAME & $/renamed", needs: .createMailboxes),
        .init(text: "GETACL $", needs: .administer),
        .init(text: "SETACL $ anyone l", needs: .administer),
        .init(text: "DELETEACL $ anyone", needs: .administer),
        .init(text: "LISTRIGHTS $ anyone", needs: .administer),
        .init(text: "GETMETADATA $ /shared/comment", needs: .lookup),
        .init(text: "SETMETADATA $ (/shared/comment \"x\")", needs: [.lookup, .writeFlags]),
        .init(text: "APPEND $ {18+}\r\nSubject: x\r\n\r\nbody", needs: .insert, isTarget: true),
        .init(
            text: "APPEND $ {18+}\r\nSubject: x\r\n\r\nbody {18+}\r\nSubject: y\r\n\r\nbody", needs: .insert,
            isTarget: true),
        .init(text: "COPY 1 &", needs: [], isSelected: true),
        .init(text: "UID COPY 1 &", needs: [], isSelected: true),
        .init(text: "MOVE 1 &", needs: [.deleteMessages, .expunge], isSelected: true),
        .init(text: "UID MOVE 1 INBOX", needs: [.deleteMessages, .expunge], isSelected: true),
        .init(
            text: "REPLACE 1 & {18+}\r\nSubject: x\r\n\r\nbody", needs: [.deleteMessages, .expunge],
            isSelected: true),
        .init(text: "EXPUNGE", needs: .expunge, isSelected: true),
        .init(text: "UID EXPUNGE 1", needs: .expunge, isSelected: true),
        .init(text: "STORE 1 +FLAGS (\\Seen)", needs: .keepSeen, isSelected: true),
        .init(text: "STORE 1 -FLAGS (\\Deleted)", needs: .deleteMessages, isSelected: true),
        .init(text: "UID STORE 1 +FLAGS (\\Flagged)", needs: .writeFlags, isSelected: true),
        .init(text: "STORE 1 +FLAGS.SILENT (keyword)", needs: .writeFlags, isSelected: true),
        .init(text: "STORE 1 FLAGS (\\Draft)", needs: .writeFlags, isSelected: true),
        .init(text: "STORE 1 +FLAGS (\\Seen \\Deleted \\Flagged)", needs: [], isSelected: true),
        .init(text: "STORE 1 FLAGS ()", needs: [], isSelected: true),
        .init(text: "FETCH 1 (FLAGS BODY[])", needs: [], isSelected: true),
        .init(text: "SEARCH ALL", needs: [], isSelected: true),
        .init(text: "CHECK", needs: [], isSelected: true),
        .init(text: "NOOP", needs: [], isSelected: true),
        .init(text: "CLOSE", needs: [], isSelected: true),
        .init(text: "UNSELECT", needs: [], isSelected: true),
        .init(text: "MYRIGHTS $", needs: []),
        .init(text: "SUBSCRIBE $", needs: []),
        .init(text: "UNSUBSCRIBE $", needs: []),
        .init(text: "LIST \"\" $", needs: []),
        .init(text: "LSUB \"\" $", needs: []),
    ]
}

/// Who may do what with somebody else's mailbox (RFC 4314, 4).
@Suite("Access control", .timeLimit(.minutes(2)))
struct AccessControlTests {
    private static let owner = MemorySasl.address
    private static let user = "bob@example.test"
    private static let rights = MailboxRights.all.letters.map(String.init)

    private static func name(_ local: String) -> String { "\"Other Users/\(owner)/\(local)\"" }

    /// Runs a command as bob on a mailbox that he has these rights on, and returns the tagged response without its tag, or
    /// how the session ended. Nil when the mailbox cannot even be selected.
    private func outcome(
        of command: GuardedCommand, with rights: MailboxRights, _ server: TestServer, mailbox: String? = nil
    ) async throws -> String? {
        let number = server.store.state.withLock { $0.nextMailbox }
        let (given, other) = ("Given \(number)", "Other \(number)")
        for name in [given, other] { server.store.make(name, of: Self.owner) }
        server.store.deliver(Fixtures.plain, to: given)
        server.store.grant(rights, to: Self.user, on: given, of: Self.owner)
        server.store.grant(.all, to: Self.user, on: other, of: Self.owner)
        let client = try await server.login(as: Self.user)
        if command.isSelected {
            let selected = try await client.command("SELECT \(Self.name(given))")
            guard selected.last?.hasPrefix("t OK") == true else {
                await client.close()
                return nil
            }
        }
        let text = command.text.replacing("$/", with: "$$").replacing("$$below", with: Self.name(given + "/below"))
            .replacing("$$renamed", with: Self.name(given + "/renamed"))
            .replacing("&/renamed", with: Self.name(other + "/renamed"))
            .replacing("$", with: Self.name(mailbox ?? given)).replacing("&", with: Self.name(other))
        let lines = try await client.command(text)
        await client.close()
        return lines.last.map { String($0.dropFirst(2)) }
    }

    @Test("Each command is refused without one of its rights, and without no other", arguments: rights)
    func eachRight(letter: String) async throws {
        let missing = try #require(MailboxRights(letters: letter))
        try await TestServer.run { server in
            server.store.make("INBOX", of: Self.user)
            for command in GuardedCommand.all {
                let answer = try await outcome(of: command, with: .all.subtracting(missing), server)
                guard let answer else {
                    #expect(command.isSelected && missing == .read, "\(command.text) without \(letter)")
                    continue
                }
                if command.needs.isDisjoint(with: missing) {
                    #expect(answer.hasPrefix("OK "), "\(command.text) without \(letter): \(answer)")
                } else if missing == .lookup {
                    #expect(answer.hasPrefix("NO [NONEXISTENT]"), "\(command.text) without \(letter): \(answer)")
                } else {
                    #expect(answer.hasPrefix("NO [NOPERM]"), "\(command.text) without \(letter): \(answer)")
                }
            }
        }
    }

    @Test("Without l, what is refused looks as if there were no such mailbox")
    func withoutLookup() async throws {
        try await TestServer.run { server in
            server.store.make("INBOX", of: Self.user)
            for command in GuardedCommand.all where !command.isSelected && !command.needs.isEmpty {
                let needs = command.needs.subtracting(.lookup)
                let rights = MailboxRights.all.subtracting(needs.isEmpty ? .lookup : needs.union(.lookup))
                let answer = try await outcome(of: command, with: rights, server)
                // What is below has no name that could be another mailbox's: there it is k that counts.
                guard !command.text.contains("$/") else {
                    #expect(answer?.hasPrefix("NO [NOPERM]") == true, "\(command.text): \(answer ?? "")")
                    continue
                }
                let nowhere = try await outcome(of: command, with: rights, server, mailbox: "nowhere")
                #expect(answer == nowhere, "\(command.text)")
                let code = command.isTarget ? "NO [TRYCREATE]" : "NO [NONEXISTENT]"
                #expect(answer?.hasPrefix(code) == true, "\(command.text): \(answer ?? "")")
            }
        }
    }

    @Test("With s, w, t, e and p alone there is no mailbox, whatever is asked (RFC 4314, 4: MYRIGHTS)")
    func unknowable() async throws {
        try await TestServer.run { server in
            let rights = MailboxRights.all.subtracting(.anyToKnow)
            for text in ["MYRIGHTS $", "SELECT $", "GETACL $", "DELETE $", "GETMETADATA $ /shared/comment"] {
                let command = GuardedCommand(text: text, needs: .all)
                let answer = try await outcome(of: command, with: rights, server)
                #expect(answer == "NO [NONEXISTENT] No such mailbox", "\(text)")
            }
            let client = try await server.login(as: Self.user)
            let listed = try await client.ok("LIST \"\" \"Other Users/*\"")
            #expect(listed.contains { $0.contains("/Other ") } && !listed.contains { $0.contains("/Given ") })
            await client.close()
        }
    }

    @Test("A mailbox is listed with l, and with nothing else", arguments: rights)
    func listing(letter: String) async throws {
        let right = try #require(MailboxRights(letters: letter))
        try await TestServer.run { server in
            server.store.make("Work", of: Self.owner)
            server.store.grant(right, to: Self.user, on: "Work", of: Self.owner)
            let client = try await server.login(as: Self.user)
            let listed = try await client.ok(
                "LIST \"\" \"Other Users/%/%\" RETURN (STATUS (MESSAGES) METADATA (/shared/comment))")
            #expect(listed.isEmpty == (right != .lookup), "\(listed)")
            #expect(!listed.contains { $0.hasPrefix("* STATUS") || $0.hasPrefix("* METADATA") })
            #expect(try await client.ok("LSUB \"\" \"Other Users/*\"").isEmpty)
            await client.close()
        }
    }

    @Test("\\Seen is set by reading with s only, and by CLOSE go messages with e only", arguments: [true, false])
    func silently(isPermitted: Bool) async throws {
        try await TestServer.run { server in
            server.store.make("Work", of: Self.owner)
            server.store.deliver(Fixtures.plain, to: "Work", flags: ["\\Deleted"])
            let rights: MailboxRights = isPermitted ? [.lookup, .read, .keepSeen, .expunge] : [.lookup, .read]
            server.store.grant(rights, to: Self.user, on: "Work", of: Self.owner)
            let client = try await server.login(as: Self.user)
            try await client.ok("SELECT \(Self.name("Work"))")
            try await client.ok("FETCH 1 BODY[]")
            #expect(server.store.messages(in: "Work").map { $0.flags & 1 } == [isPermitted ? 1 : 0])
            try await client.ok("CLOSE")
            #expect(server.store.messages(in: "Work").isEmpty == isPermitted)
            await client.close()
        }
    }

    @Test("What an APPEND may no longer do when its message has come, it does not do")
    func takenDuringAppend() async throws {
        var limits = Limits()
        limits.inlineOctets = 64
        for octets in [32, 4096] {
            try await TestServer.run(limits: limits) { server in
                server.store.make("Work", of: Self.owner)
                server.store.grant([.lookup, .insert], to: Self.user, on: "Work", of: Self.owner)
                let client = try await server.login(as: Self.user)
                try await client.send("t APPEND \(Self.name("Work")) {\(octets)}\r\n")
                #expect(try await client.line().hasPrefix("+"))
                let message = "Subject: x\r\n\r\n" + String(repeating: "x", count: octets - 14)
                try await client.send(String(message.dropLast(4)))
                server.store.grant([.lookup], to: Self.user, on: "Work", of: Self.owner)
                try await client.send(String(message.suffix(4)) + "\r\n")
                #expect(try await client.answer().last?.hasPrefix("t NO [NOPERM]") == true)
                #expect(server.store.messages(in: "Work").isEmpty)
                // The session goes on.
                try await client.ok("NOOP")
                await client.close()
            }
        }
    }

    @Test("While storage is away nothing is told of somebody else's mailbox, and the session goes on")
    func withoutStorage() async throws {
        try await TestServer.run { server in
            server.store.grant([.lookup, .read], to: Self.user, on: "INBOX", of: Self.owner)
            let client = try await server.login(as: Self.user)
            try await client.ok("SELECT \(Self.name("INBOX"))")
            server.store.deliver(Fixtures.plain)
            server.store.setFault(MessagingError(.unavailable, "test"))
            let lines = try await client.command("NOOP")
            #expect(lines.count == 1 && lines[0].hasPrefix("t NO [UNAVAILABLE]"), "\(lines)")
            server.store.setFault(nil)
            #expect(try await client.ok("NOOP").contains("* 1 EXISTS"))
            await client.close()
        }
    }
}

/// RFC 2342: which names lead where.
@Suite("Names of namespaces") struct NamespacedNameTests {
    @Test(
        "lead into another account when an address follows the prefix",
        arguments: [
            ("INBOX", NamespacedName.own("INBOX")), ("Other Users", .own("Other Users")), ("Shared", .own("Shared")),
            ("Shared/old", .own("Shared/old")), ("Shared/old/a@b", .own("Shared/old/a@b")),
            ("Other Users/bob@example.test", .foreign(address: "bob@example.test", isShared: false, name: "")),
            (
                "Other Users/Bob@Example.test/inbox",
                .foreign(address: "bob@example.test", isShared: false, name: "INBOX")
            ),
            ("Shared/o@x.test/a/b", .foreign(address: "o@x.test", isShared: true, name: "a/b")),
            ("Shared/a=2Fb=25=3D@x.test/c", .foreign(address: "a/b%=@x.test", isShared: true, name: "c")),
            ("Shared/a=4Gb@x.test/c", .foreign(address: "a=4gb@x.test", isShared: true, name: "c")),
        ])
    func meaning(name: String, meaning: NamespacedName) {
        #expect(NamespacedName(MailboxName(name)) == meaning)
    }

    @Test(
        "are the same there and back, whatever an address holds", arguments: ["bob", "a/b", "50%", "a=b", "a=2fb", "*"])
    func thereAndBack(localPart: String) {
        var mailbox = Mailbox()
        mailbox.name = "Work/Deep"
        mailbox.owner.address = localPart + "@example.test"
        for isShared in [false, true] {
            mailbox.owner.shared = isShared
            let name = NamespacedName.name(of: mailbox)
            #expect(!name.contains("*") && !name.contains("%"))
            #expect(
                NamespacedName(MailboxName(name))
                    == .foreign(address: mailbox.owner.address, isShared: isShared, name: "Work/Deep"))
        }
    }

    @Test("are reserved, with the roots of the namespaces and of the accounts in them")
    func reserved() {
        for name in ["Shared", "Shared/x", "Other Users", "Other Users/a@b/c"] as [MailboxName] {
            #expect(NamespacedName.isReserved(name))
        }
        #expect(!NamespacedName.isReserved("Shared2") && !NamespacedName.isReserved("x/Shared"))
        for name in ["Shared", "Other Users", "Other Users/a@b"] as [MailboxName] {
            #expect(NamespacedName.isRoot(name))
        }
        #expect(!NamespacedName.isRoot("Other Users/a@b/c") && !NamespacedName.isRoot("Shared/x"))
    }
}
