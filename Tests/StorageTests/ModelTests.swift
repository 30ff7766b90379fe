import Contracts
import Messaging
import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import Storage

/// What the contract promises, in the simplest form: mailboxes as arrays.
private struct Model {
    struct Message: Equatable {
        var uid: UInt32
        var flags: Set<String>
        var size: UInt32
    }

    struct Box {
        var messages: [Message] = []
        var uidNext: UInt32 = 1
        var modseq: UInt64 = 1
        var vanished: Set<UInt32> = []
    }

    var boxes: [String: Box] = [:]

    mutating func add(_ name: String, _ message: Message) -> UInt32 {
        guard let uid = boxes[name]?.uidNext else { return 0 }
        var message = message
        message.uid = uid
        boxes[name]?.messages.append(message)
        boxes[name]?.uidNext += 1
        return uid
    }

    mutating func remove(_ name: String, _ uids: [UInt32]) {
        boxes[name]?.messages.removeAll { uids.contains($0.uid) }
        boxes[name]?.vanished.formUnion(uids)
    }

    mutating func changed(_ name: String) { boxes[name]?.modseq += 1 }
}

@Suite("Storage and a model of it")
struct ModelTests {
    private static let flagNames = [
        "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$One", "$Two", "Three",
    ]
    private static let names = ["INBOX", "Sent", "Trash", "a", "a/b"]

    @Test("agree after every command", arguments: [UInt64(1), 2, 3, 4])
    func agree(seed: UInt64) async throws {
        try await withStorage { storage in
            var random = SeededGenerator(seed: seed)
            let alice = try await storage.account("alice@example.test")
            for name in ["a", "a/b"] { _ = try await storage.create(alice, name) }
            var model = Model()
            for name in Self.names { model.boxes[name] = Model.Box() }
            for step in 0..<150 {
                let name = Self.names.randomElement(using: &random) ?? "INBOX"
                let other = Self.names.randomElement(using: &random) ?? "INBOX"
                let box = try #require(model.boxes[name])
                let mailboxID = try #require(try await storage.mailbox(alice, name)).mailboxID
                let flags = Set(Self.flagNames.filter { _ in Bool.random(using: &random) })
                let picked = box.messages.map(\.uid).filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
                let pairs = picked.flatMap { [$0, $0] }
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1, 2:
                    let body = String(repeating: "x", count: Int.random(in: 0...50, using: &random))
                    let result = try await storage.deliver(
                        "A: b\r\n\r\n" + body, to: alice, mailbox: name, flags: Array(flags))
                    let uid = model.add(name, .init(uid: 0, flags: flags, size: UInt32(18 + body.utf8.count)))
                    model.changed(name)
                    #expect(result.uid == uid, "step \(step)")
                case 3, 4:
                    let operation = [FlagOperation.add, .remove, .replace].randomElement(using: &random) ?? .add
                    let reply = try await storage.flags(alice, mailboxID, pairs, operation, Array(flags))
                    var changed: Set<UInt32> = []
                    for index in box.messages.indices where picked.contains(box.messages[index].uid) {
                        let old = box.messages[index].flags
                        let new =
                            switch operation {
                            case .add: old.union(flags)
                            case .remove: old.subtracting(flags)
                            default: flags
                            }
                        if new != old {
                            model.boxes[name]?.messages[index].flags = new
                            changed.insert(box.messages[index].uid)
                        }
                    }
                    if !changed.isEmpty { model.changed(name) }
                    #expect(Set(reply.uids) == changed, "step \(step)")
                case 5:
                    let reply = try await storage.copy(alice, mailboxID, pairs, to: other)
                    let sources = box.messages.filter { picked.contains($0.uid) }
                    let targets = sources.map { model.add(other, $0) }
                    if !targets.isEmpty { model.changed(other) }
                    #expect(reply.targetUids == targets, "step \(step)")
                case 6:
                    let reply = try await storage.copy(alice, mailboxID, pairs, to: other, move: true)
                    let sources = box.messages.filter { picked.contains($0.uid) }
                    let targets = sources.map { model.add(other, $0) }
                    if !targets.isEmpty {
                        model.changed(other)
                        model.remove(name, picked)
                        model.changed(name)
                    }
                    #expect(reply.targetUids == targets, "step \(step)")
                default:
                    let marked = box.messages.filter { $0.flags.contains("\\Deleted") }.map(\.uid)
                    let reply = try await storage.expunge(alice, mailboxID)
                    if !marked.isEmpty {
                        model.remove(name, marked)
                        model.changed(name)
                    }
                    #expect(reply.uids == marked, "step \(step)")
                }
                if step % 10 == 9 { try await compare(model, storage, alice, seed, step) }
            }
        }
    }

    private func compare(
        _ model: Model, _ storage: StorageFixture, _ alice: Int64, _ seed: UInt64, _ step: Int
    ) async throws {
        let place: Comment = "seed \(seed), step \(step)"
        var used: UInt32 = 0
        for (name, box) in model.boxes {
            let view = try await storage.view(alice, name)
            let mailbox = try #require(view.mailbox)
            let found = view.entries.map { entry in
                var flags = Set(
                    Self.flagNames.prefix(5).enumerated().filter { entry.flags & 1 << $0.offset != 0 }.map(\.element))
                for (index, keyword) in mailbox.keywords.enumerated() where entry.flags & 1 << (8 + index) != 0 {
                    flags.insert(keyword)
                }
                return Model.Message(uid: entry.uid, flags: flags, size: entry.size)
            }
            #expect(found == box.messages, place)
            #expect(mailbox.uidNext == box.uidNext, place)
            #expect(mailbox.highestModseq == box.modseq, place)
            #expect(mailbox.messageCount == UInt32(box.messages.count), place)
            #expect(mailbox.unseenCount == UInt32(box.messages.count { !$0.flags.contains("\\Seen") }), place)
            #expect(mailbox.deletedCount == UInt32(box.messages.count { $0.flags.contains("\\Deleted") }), place)
            #expect(mailbox.octets == box.messages.reduce(0) { $0 + Int64($1.size) }, place)
            let vanished = try await storage.view(alice, name, since: 1).vanished
            var uids: Set<UInt32> = []
            for index in stride(from: 0, to: vanished.count, by: 2) {
                uids.formUnion(vanished[index]...vanished[index + 1])
            }
            #expect(uids == box.vanished, place)
            used += box.messages.reduce(0) { $0 + $1.size }
        }
        let account = try await storage.directory.findAccount(
            FindAccountRequest.with { $0.address = "alice@example.test" }, CallContext()
        ).account
        #expect(account.usedOctets == Int64(used), place)
        #expect(account.usedMessages == model.boxes.values.reduce(0) { $0 + Int64($1.messages.count) }, place)
    }
}
