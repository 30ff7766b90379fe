import NIOCore
import TestRandomness

@testable import IMAPSyntax

/// Random responses, each one that can be printed.
extension SeededGenerator {
    mutating func humanText() -> String { pick(["done", "a [b] c {5}", "x", "Ready for more (really)"]) }

    /// Sets of real numbers: codes and ESEARCH know no `*`.
    mutating func plainSet() -> SequenceSet { SequenceSet(inOrder: array(1...6) { $0.number() }) ?? .all }

    mutating func contextChanges() -> [ContextChange] {
        array(1...3) { generator in
            ContextChange(position: generator.chance(1, of: 2) ? 0 : generator.number(), numbers: generator.plainSet())
        }
    }

    mutating func code() -> ResponseCode? {
        switch Int.random(in: 0..<21, using: &self) {
        case 0: pick(Array(ResponseCode.bare.values).sorted { "\($0)" < "\($1)" })
        case 1: .appendUID(validity: number(), plainSet())
        case 2: .copyUID(validity: number(), source: plainSet(), target: plainSet())
        case 3: .badCharset(array(0...2) { $0.pick(["UTF-8", "x y"]) })
        case 4: .capability(array(1...3) { Capability($0.atom().replacingBrackets) })
        case 5: .permanentFlags(array(0...3) { $0.pick([.seen, .wildcard, $0.keyword()]) })
        case 6: .uidNext(number())
        case 7: .uidValidity(number())
        case 8: .unseen(number())
        case 9: .highestModificationSequence(number64())
        case 10: .modified(plainSet())
        case 12:
            .inProgress(
                tag: chance(1, of: 2) ? nil : tag(), done: chance(1, of: 2) ? nil : number(),
                goal: chance(1, of: 2) ? nil : number())
        case 11: .other("X-CODE", chance(1, of: 2) ? nil : "715194045007 x")
        case 13: .mailboxID(objectID())
        case 17: .messageLimit(number(), lowest: chance(1, of: 2) ? nil : number())
        case 19: .urlMechanisms(array(0...2) { $0.pick(["XSAMPLE=P34OKhO7VEkCbsiYY8rGEg==", "X-Y"]) })
        case 18: .badURL("/" + pick(["a%20b", "x;UIDVALIDITY=1"]) + "/;UID=\(number())")
        case 16: .noUpdate(tag())
        case 15: .undefinedFilter(atom().replacing("/", with: "-").replacingBrackets)
        case 14: .metadata(pick([.longEntries(number64()), .maxSize(number64()), .tooMany, .noPrivate]))
        default: nil
        }
    }

    mutating func status(_ conditions: [StatusCondition]) -> StatusResponse {
        StatusResponse(pick(conditions), code(), humanText())
    }

    mutating func extensionValue() -> ExtensionValue {
        func component(_ generator: inout SeededGenerator, depth: Int) -> ExtensionComponent {
            if depth < 4, generator.chance(1, of: 3) {
                return .list(generator.array(0...3) { component(&$0, depth: depth + 1) })
            }
            return .string(generator.octets())
        }
        return chance(1, of: 2) ? .simple("\(number())") : .list(array(0...3) { component(&$0, depth: 0) })
    }

    mutating func listing() -> MailboxListing {
        MailboxListing(
            attributes: array(0...3) { $0.pick([.hasChildren, .hasNoChildren, .noSelect, .sent, "\\X-own"]) },
            delimiter: pick(["/", ".", "\\", nil]), mailbox: mailbox(),
            extended: array(0...2) { generator in
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: .childInfo([.subscribed])
                case 1: .oldName(generator.mailbox())
                default: .other("vendor.x-y", generator.extensionValue())
                }
            })
    }

    mutating func namespaces() -> [Namespace]? {
        chance(1, of: 3)
            ? nil : array(1...2) { Namespace(prefix: $0.mailbox(), delimiter: $0.pick(["/", ".", nil])) }
    }

    /// Octets of a message, NUL too.
    mutating func messageOctets() -> ByteBuffer? {
        switch Int.random(in: 0..<4, using: &self) {
        case 0: return nil
        case 1: return ByteBuffer()
        case 2: return ByteBuffer("x)\r\n* 1 EXISTS\r\n{5}\r\n")
        default: return ByteBuffer(bytes: array(0...200) { UInt8.random(in: 0...255, using: &$0) })
        }
    }

    mutating func fetchDatum() -> FetchDatum {
        switch Int.random(in: 0..<19, using: &self) {
        case 0: .flags(array(0...4) { $0.pick([.recent, $0.flag()]) })
        case 1: .uid(number())
        case 2: .internalDate(dateTime())
        case 3: .rfc822Size(number64())
        case 4: .envelope(ByteBuffer("(NIL \"a\\\"(b\" ((NIL NIL \"x\" {3}\r\n)(\")) NIL)"))
        case 5: .body(ByteBuffer("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)"))
        case 6:
            .bodyStructure(
                ByteBuffer(
                    "((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1)(\"A\" \"B\" NIL NIL NIL \"8BIT\" 3) \"MIXED\")"))
        case 7: .section(section(), origin: chance(1, of: 2) ? nil : number64(), messageOctets())
        case 8: .rfc822(messageOctets())
        case 9: .rfc822Header(messageOctets())
        case 10: .rfc822Text(messageOctets())
        case 11: .binary(part: part(), origin: chance(1, of: 2) ? nil : number64(), messageOctets())
        case 12: .binarySize(part: part(), number64())
        case 13: .other("X-GM-LABELS", ByteBuffer("(\\Inbox \"a b\" c)"))
        case 14: .emailID(objectID())
        case 15: .threadID(chance(1, of: 3) ? nil : objectID())
        case 16: .saveDate(chance(1, of: 3) ? nil : dateTime())
        case 17: .preview(chance(1, of: 3) ? nil : octets())
        default: .modificationSequence(number64())
        }
    }

    /// Threads as they can be written: what has no number is first or has siblings, and has several children.
    mutating func threads() -> MessageThreads {
        var threads = MessageThreads()
        func grow(_ generator: inout SeededGenerator, depth: Int, isAlone: Bool) {
            let isDummy = (depth == 0 || depth < 7 && !isAlone) && generator.chance(1, of: 5)
            threads.append(isDummy ? nil : generator.number(), depth: depth)
            let children =
                isDummy
                ? Int.random(in: 2...3, using: &generator)
                : depth > 6 ? 0 : generator.chance(1, of: 2) ? 1 : Int.random(in: 0...3, using: &generator)
            for _ in 0..<children { grow(&generator, depth: depth + 1, isAlone: children == 1) }
        }
        for _ in 0..<Int.random(in: 0...4, using: &self) { grow(&self, depth: 0, isAlone: true) }
        return threads
    }

    mutating func statusValue() -> StatusValue {
        let item = pick(StatusItem.allCases)
        switch item {
        case .mailboxID: return StatusValue(item, .objectID(objectID()))
        case .appendLimit: return StatusValue(item, chance(1, of: 3) ? .absent : .number(number64()))
        case .messages, .recent, .uidNext, .uidValidity, .unseen, .deleted, .size, .deletedStorage,
            .highestModificationSequence:
            return StatusValue(item, number64())
        }
    }

    mutating func untagged() -> UntaggedResponse {
        switch Int.random(in: 0..<31, using: &self) {
        case 27: .authorizedURLs(array(1...3) { $0.url().text })
        case 28:
            .urlFetch(
                array(1...3) { FetchedURL(url: $0.url().text, octets: $0.chance(1, of: 3) ? nil : $0.octets()) })
        case 0: .status(status(StatusCondition.allCases))
        case 1: .capability(array(1...4) { Capability($0.atom()) })
        case 2: .enabled(array(0...2) { Capability($0.atom()) })
        case 3: .id(idParameters())
        case 4, 5: .list(listing())
        case 6: .lsub(listing())
        case 7: .namespace(NamespaceResponse(personal: namespaces(), otherUsers: namespaces(), shared: namespaces()))
        case 8: .mailboxStatus(mailbox(), array(0...4) { $0.statusValue() })
        case 9: .flags(array(0...4) { $0.flag() })
        case 10:
            .search(array(1...5) { $0.number() }, modificationSequence: chance(1, of: 2) ? nil : number64())
        case 11:
            .eSearch(
                ESearchResponse(
                    tag: chance(1, of: 3) ? nil : tag(), mailbox: chance(1, of: 2) ? nil : mailbox(),
                    uidValidity: chance(1, of: 2) ? nil : number(), numbering: numbering(),
                    data: array(0...4) { generator in
                        generator.pick([
                            .min(generator.number()), .max(generator.number()), .count(generator.number()),
                            .all(generator.plainSet()), .modificationSequence(generator.number64()),
                            .relevancy(generator.array(0...3) { UInt32.random(in: 1...100, using: &$0) }),
                            .other("X-SCORE", generator.extensionValue()), .addTo(generator.contextChanges()),
                            .removeFrom(generator.contextChanges()),
                            .partial(
                                generator.resultPartial(), generator.chance(1, of: 3) ? nil : generator.plainSet()),
                        ])
                    }))
        case 12: .exists(UInt32.random(in: 0...UInt32.max, using: &self))
        case 13: .recent(number())
        case 14: .expunge(number())
        case 15: .vanished(plainSet(), earlier: chance(1, of: 2))
        case 16:
            .sort(array(1...5) { $0.number() }, modificationSequence: chance(1, of: 2) ? nil : number64())
        case 17: .thread(threads())
        case 18:
            .quota(
                QuotaResponse(
                    root: name(),
                    resources: array(0...3) {
                        QuotaUse($0.quotaResource(), usage: $0.number64(), limit: $0.number64())
                    }))
        case 19: .quotaRoot(mailbox(), array(0...2) { $0.name() })
        case 20: .metadata(mailbox(), array(1...3) { $0.metadataValue() })
        case 21: .metadataChanged(mailbox(), array(1...3) { $0.metadataEntry() })
        case 22: .acl(mailbox(), array(0...3) { ACLEntry($0.name(), $0.rights()) })
        case 23:
            .listRights(
                ListRightsResponse(
                    mailbox: mailbox(), identifier: name(), required: rights(), optional: array(0...3) { $0.rights() }))
        case 24: .myRights(mailbox(), rights())
        case 26:
            .uidBatches(
                UIDBatchesResponse(tag: tag(), batches: array(0...4) { NumberRange($0.number(), $0.number()) }))
        case 25: .uidFetch(number(), array(0...5) { $0.fetchDatum() })
        default: .fetch(number(), array(0...5) { $0.fetchDatum() })
        }
    }

    mutating func response() -> Response {
        switch Int.random(in: 0..<8, using: &self) {
        case 0: .tagged(tag(), status([.ok, .no, .bad]))
        case 1: .continuation(.text(ResponseText(code(), humanText())))
        default: .untagged(untagged())
        }
    }
}

extension String {
    /// A capability in a response code cannot hold `]`, and one with `[` would be hard to read.
    var replacingBrackets: String { String(map { $0 == "[" || $0 == "]" ? "x" : $0 }) }
}
