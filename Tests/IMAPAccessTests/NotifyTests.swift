import Contracts
import IMAPSyntax
import TestRandomness
import Testing

@testable import IMAPAccess

/// What NOTIFY tells of mailboxes that are not selected (RFC 5465, 5.4 and 5.5).
@Suite struct NotifyTests {
    /// An account's mailboxes, changed at random as others change them.
    private struct Account {
        var mailboxes: [Mailbox] = []
        var nextID: Int64 = 1

        var reply: ListMailboxesReply {
            var reply = ListMailboxesReply()
            reply.mailboxes = mailboxes
            return reply
        }

        mutating func make(_ name: String) {
            guard !mailboxes.contains(where: { $0.name == name }) else { return }
            var mailbox = Mailbox()
            mailbox.mailboxID = nextID
            mailbox.name = name
            mailbox.selectable = true
            mailbox.uidNext = 1
            nextID += 1
            mailboxes.append(mailbox)
        }

        mutating func rename(_ from: String, to: String) {
            guard !to.hasPrefix(from + "/") else { return }
            func renamed(_ name: String) -> String {
                name == from || name.hasPrefix(from + "/") ? to + name.dropFirst(from.count) : name
            }
            let names = Set(mailboxes.map(\.name))
            guard Set(names.map(renamed)).count == names.count, !names.contains(to) else { return }
            for index in mailboxes.indices { mailboxes[index].name = renamed(mailboxes[index].name) }
        }
    }

    private func circumstances(_ groups: [NotifyGroup]) throws -> NotifiedMailboxes.Circumstances {
        NotifiedMailboxes.Circumstances(
            rules: try NotificationRules(groups), selectedID: nil, tellsModificationSequences: false)
    }

    @Test("Whoever follows the LIST responses has the names that there are", arguments: 1...100 as ClosedRange<UInt64>)
    func follows(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let names = ["a", "a/b", "a/b/c", "d", "d/e", "f"]
        let circumstances = try circumstances([NotifyGroup(.personal, [.mailboxName, .subscriptionChange])])
        var account = Account()
        account.make("INBOX")
        var told = NotifiedMailboxes(account.reply)
        var client: [String: Bool] = ["INBOX": false]
        for _ in 0..<60 {
            let name = names.randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<4, using: &random) {
            case 0: account.make(name)
            case 1: account.mailboxes.removeAll { $0.name == name }
            case 2: account.rename(name, to: names.randomElement(using: &random) ?? "")
            default:
                for index in account.mailboxes.indices where account.mailboxes[index].name == name {
                    account.mailboxes[index].subscribed.toggle()
                }
            }
            for notice in told.update(account.reply, circumstances) {
                guard case .list(let listing) = notice else {
                    Issue.record("nothing of messages has changed: \(notice)")
                    continue
                }
                let name = listing.mailbox.value
                for case .oldName(let old) in listing.extended {
                    for (known, isSubscribed) in client where known == old.value || known.hasPrefix(old.value + "/") {
                        client[known] = nil
                        client[name + known.dropFirst(old.value.count)] = isSubscribed
                    }
                }
                client[name] =
                    listing.attributes.contains(.nonExistent) ? nil : listing.attributes.contains(.subscribed)
            }
            let truth = account.mailboxes.map { ($0.name, $0.subscribed) }
            #expect(client == Dictionary(uniqueKeysWithValues: truth))
        }
    }

    @Test("A renamed tree is told by its root")
    func renamedTree() throws {
        var account = Account()
        ["a", "a/b", "a/b/c"].forEach { account.make($0) }
        var told = NotifiedMailboxes(account.reply)
        account.rename("a", to: "z")
        let notices = told.update(account.reply, try circumstances([NotifyGroup(.personal, [.mailboxName])]))
        #expect(
            notices == [
                .list(MailboxListing(attributes: [.hasChildren], mailbox: "z", extended: [.oldName("a")]))
            ])
    }

    @Test("Each mailbox has the events of all groups that it belongs to")
    func groups() throws {
        let rules = try NotificationRules([
            NotifyGroup(.mailboxes(["INBOX"]), [.messageNew([]), .messageExpunge]),
            NotifyGroup(.subtree(["Lists"]), [.mailboxName]), NotifyGroup(.subscribed, [.subscriptionChange]),
            NotifyGroup(.selectedDelayed, [.messageNew([.uid]), .messageExpunge]),
        ])
        #expect(rules.wants(.messageNew([]), of: "INBOX", isSubscribed: false))
        #expect(!rules.wants(.flagChange, of: "INBOX", isSubscribed: true))
        #expect(rules.wants(.subscriptionChange, of: "INBOX", isSubscribed: true))
        #expect(rules.wants(.mailboxName, of: "Lists/swift", isSubscribed: false))
        #expect(rules.wants(.mailboxName, of: "Lists", isSubscribed: false))
        #expect(!rules.wants(.mailboxName, of: "Listserv", isSubscribed: false))
        #expect(rules.selected?.newAttributes == [.uid])
        #expect(rules.selected?.delaysExpunges == true)
        #expect(rules.selected?.flags == false)
    }

    @Test("What cannot be told is refused with what can")
    func unknown() {
        for event in [NotifyEvent.annotationChange, .other("VENDOR")] {
            let error = #expect(throws: Refusal.self) {
                try NotificationRules([NotifyGroup(.personal, [.messageNew([]), .messageExpunge, event])])
            }
            #expect(error?.status.condition == .no)
            guard case .badEvent(let events)? = error?.status.text.code else {
                Issue.record("without BADEVENT")
                continue
            }
            #expect(events.contains("MessageNew"))
        }
    }
}
