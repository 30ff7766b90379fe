import NIOCore
import TestRandomness

@testable import IMAPSyntax

/// Random commands, each one that can be printed.
extension SeededGenerator {
    mutating func fetchAttribute() -> FetchAttribute {
        switch Int.random(in: 0..<5, using: &self) {
        case 0: .section(section(), peek: chance(1, of: 2), partial: partial())
        case 1: .binary(part: part(), peek: chance(1, of: 2), partial: partial())
        case 2: .binarySize(part: part())
        default:
            pick([
                .envelope, .flags, .internalDate, .uid, .rfc822, .rfc822Header, .rfc822Text, .rfc822Size, .body,
                .bodyStructure, .modificationSequence, .emailID, .threadID, .saveDate,
                .preview(lazy: false), .preview(lazy: true),
            ])
        }
    }

    mutating func objectID() -> ObjectID {
        let characters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
        let letters = array(1...3) { $0.pick(characters) }
        return ObjectID(pick([String(letters), "NIL", String(repeating: "x", count: 255)])) ?? ObjectID(.email, 0)
    }

    mutating func searchKey(depth: Int = 0) -> SearchKey {
        switch Int.random(in: 0..<(depth < 5 ? 20 : 17), using: &self) {
        case 0: .all
        case 1: pick([.new, .saveDateSupported, .filter(atom().replacing("/", with: "-"))])
        case 2: .flag(pick([.seen, .answered, .flagged, .deleted, .draft, .recent]))
        case 3: .notFlag(pick([.seen, .answered, .flagged, .deleted, .draft, .recent]))
        case 4: .flag(keyword())
        case 5: .notFlag(keyword())
        case 6: .field(pick(SearchField.allCases), octets())
        case 7: .header(pick(["Subject", "X-a", atom(), "a b"]), octets())
        case 8: .body(octets())
        case 9: .text(octets())
        case 10: .date(pick(SearchDate.allCases), pick(DateComparison.allCases), date())
        case 11: chance(1, of: 2) ? .larger(number64()) : .smaller(number64())
        case 12: .sequence(messageSet())
        case 13: chance(2, of: 3) ? .uid(messageSet()) : chance(1, of: 2) ? .uidAfter(number()) : .uidBefore(number())
        case 14:
            .modificationSequence(
                number64(),
                entry: chance(1, of: 2)
                    ? nil
                    : SearchEntry(name: pick(["/flags/\\draft", "/flags/$x"]), kind: pick(SearchEntry.Kind.allCases)))
        case 15: chance(1, of: 2) ? .younger(number()) : .older(number())
        case 16: chance(1, of: 2) ? .emailID(objectID()) : .threadID(objectID())
        case 17: chance(1, of: 3) ? .fuzzy(searchKey(depth: depth + 1)) : .not(searchKey(depth: depth + 1))
        case 18: .or(searchKey(depth: depth + 1), searchKey(depth: depth + 1))
        default: .and(array(1...3) { $0.searchKey(depth: depth + 1) })
        }
    }

    mutating func statusItems() -> [StatusItem] { array(1...4) { $0.pick(StatusItem.allCases) } }

    mutating func idParameters() -> IDParameters? {
        guard chance(3, of: 4) else { return nil }
        return IDParameters(
            array(0...4) { generator in
                IDParameters.Field(
                    generator.atom(), generator.chance(1, of: 4) ? nil : generator.pick(["x", "a \"b\"", ""]))
            })
    }

    mutating func listCommand() -> ListCommand {
        var selection: [ListSelectionOption]?
        if chance(1, of: 2) { selection = array(0...3) { $0.pick([.subscribed, .remote, .specialUse]) } }
        if selection?.contains(.subscribed) == true, chance(1, of: 2) { selection?.append(.recursiveMatch) }
        var returns: [ListReturnOption]?
        if chance(1, of: 2) {
            returns = array(0...3) { generator in
                generator.pick([
                    .subscribed, .children, .specialUse, .myRights, .status(generator.statusItems()),
                    .metadata(generator.array(1...3) { $0.metadataEntry() }),
                ])
            }
        }
        return ListCommand(
            selection: selection, reference: mailbox(), patterns: array(1...3) { $0.pattern() },
            patternsAreListed: chance(1, of: 3), returns: returns)
    }

    mutating func knownUIDs() -> SequenceSet {
        SequenceSet(inOrder: array(1...6) { $0.number() }) ?? SequenceSet(SequenceRange(1))
    }

    mutating func selectCommand() -> SelectCommand {
        var command = SelectCommand(mailbox(), wantsModificationSequences: chance(1, of: 3))
        if chance(1, of: 2) {
            command.known = KnownMailboxState(
                uidValidity: number(), modificationSequence: number64(), uids: chance(1, of: 2) ? knownUIDs() : nil)
            if chance(1, of: 2), let numbers = SequenceSet(inOrder: [4, 12, 13]),
                let uids = SequenceSet(inOrder: [8, 24, 30])
            {
                command.known?.matches = SequenceMatches(numbers: numbers, uids: uids, limit: 10)
            }
        }
        return command
    }

    mutating func fetchCommand() -> FetchCommand {
        var command = FetchCommand(
            numbering: numbering(), messages: messageSet(), attributes: array(1...4) { $0.fetchAttribute() })
        if chance(1, of: 3) {
            command.changedSince = number64()
            command.wantsVanished = command.numbering == .uids && chance(1, of: 2)
        }
        if command.numbering == .uids, chance(1, of: 3) { command.part = resultPartial() }
        return command
    }

    mutating func searchReturnOptions() -> [SearchReturnOption]? {
        guard chance(1, of: 2) else { return nil }
        guard chance(1, of: 3) else { return array(0...3) { $0.searchReturnOption() } }
        let options: [SearchReturnOption] = array(0...2) { $0.pick([.min, .max, .count, .save]) }
        return options + [.partial(resultPartial())]
    }

    mutating func searchReturnOption() -> SearchReturnOption {
        switch Int.random(in: 0..<7, using: &self) {
        case 0: chance(1, of: 2) ? .context : .relevancy
        case 1: .update(array(0...2) { $0.fetchAttribute() })
        default: pick([.min, .max, .all, .count, .save])
        }
    }

    mutating func eSearchCommand() -> ESearchCommand {
        let sources = array(1...3) { generator -> SearchSource in
            let names = generator.array(1...2) { $0.mailbox() }
            return generator.pick([
                .selected, .inboxes, .personal, .subscribed, .subtree(names), .subtreeOne(names), .mailboxes(names),
            ])
        }
        return ESearchCommand(
            sources: chance(1, of: 4) ? nil : sources, returns: searchReturnOptions(),
            charset: chance(1, of: 2) ? nil : pick(["UTF-8", "KOI8-R"]), keys: array(1...3) { $0.searchKey() })
    }

    mutating func resultPartial() -> ResultPartial {
        while true {
            if let partial = ResultPartial(number(), number(), fromEnd: chance(1, of: 2)) { return partial }
        }
    }

    mutating func sortCommand() -> SortCommand {
        SortCommand(
            numbering: numbering(), returns: searchReturnOptions(),
            criteria: array(1...4) { SortCriterion($0.pick(SortKey.allCases), reversed: $0.chance(1, of: 3)) },
            charset: pick(["UTF-8", "US-ASCII", "X Y"]), keys: array(1...3) { $0.searchKey() })
    }

    mutating func command() -> Command {
        switch Int.random(in: 0..<44, using: &self) {
        case 39:
            .resetKey(
                ResetKeyCommand(mailbox: mailbox(), mechanisms: array(0...2) { $0.pick(["INTERNAL", "X-1.Y"]) }))
        case 40: chance(1, of: 4) ? .resetKey(ResetKeyCommand(mailbox: nil)) : .urlFetch(array(1...3) { $0.url().text })
        case 41:
            .generateURLAuthorization(
                array(1...3) {
                    URLAuthorizationRequest(url: $0.url().text, mechanism: $0.pick(["INTERNAL", "XSAMPLE"]))
                })
        case 0:
            pick([
                .capability, .noop, .logout, .startTLS, .namespace, .check, .close, .unselect, .expunge,
                .unauthenticate,
            ])
        case 1: .id(idParameters())
        case 2: .login(LoginCommand(user: octets(), password: octets()))
        case 3:
            .authenticate(AuthenticateCommand(mechanism: pick(["PLAIN", "SCRAM-SHA-256"]), initialResponse: octets()))
        case 4: chance(1, of: 4) ? .compress("DEFLATE") : .enable(array(1...3) { Capability($0.atom()) })
        case 5: .select(selectCommand())
        case 6: .examine(selectCommand())
        case 7:
            .create(
                CreateCommand(mailbox: mailbox(), specialUse: array(0...2) { $0.pick(["\\Sent", "\\Drafts", "\\x"]) }))
        case 8: .delete(mailbox())
        case 9: .rename(from: mailbox(), to: mailbox())
        case 10: .subscribe(mailbox())
        case 11: .unsubscribe(mailbox())
        case 12, 13: .list(listCommand())
        case 14: .lsub(reference: mailbox(), pattern: pattern())
        case 15: .status(StatusCommand(mailbox: mailbox(), items: statusItems()))
        case 16: .uidExpunge(messageSet())
        case 17, 18:
            .search(
                SearchCommand(
                    numbering: numbering(), returns: searchReturnOptions(),
                    charset: chance(1, of: 2) ? nil : pick(["UTF-8", "KOI8-R"]), keys: array(1...4) { $0.searchKey() }))
        case 19, 20: .fetch(fetchCommand())
        case 21:
            .store(
                StoreCommand(
                    numbering: numbering(), messages: messageSet(), operation: pick(StoreOperation.allCases),
                    isSilent: chance(1, of: 2), flags: array(0...3) { $0.flag() },
                    unchangedSince: chance(1, of: 3) ? number64() : nil))
        case 22: .notify(notifyCommand())
        case 23: .sort(sortCommand())
        case 24:
            .thread(
                ThreadCommand(
                    numbering: numbering(), algorithm: pick(ThreadAlgorithm.allCases), charset: pick(["UTF-8", "X Y"]),
                    keys: array(1...3) { $0.searchKey() }))
        case 25: .copy(CopyCommand(numbering: numbering(), messages: messageSet(), mailbox: mailbox()))
        case 26: .getQuota(name())
        case 27: .getQuotaRoot(mailbox())
        case 28:
            .setQuota(
                SetQuotaCommand(root: name(), limits: array(0...3) { QuotaLimit($0.quotaResource(), $0.number64()) }))
        case 29:
            .getMetadata(
                GetMetadataCommand(
                    mailbox: mailbox(), entries: array(1...3) { $0.metadataEntry() },
                    maxSize: chance(1, of: 2) ? nil : number64(), depth: pick(MetadataDepth.allCases)))
        case 30: .setMetadata(SetMetadataCommand(mailbox: mailbox(), values: array(1...3) { $0.metadataValue() }))
        case 31:
            .setACL(
                SetACLCommand(
                    mailbox: mailbox(), identifier: name(), change: pick(RightsChange.allCases), rights: rights()))
        case 32: .deleteACL(ACLSubject(mailbox: mailbox(), identifier: name()))
        case 33: .listRights(ACLSubject(mailbox: mailbox(), identifier: name()))
        case 34: .getACL(mailbox())
        case 35: .myRights(mailbox())
        case 36: .eSearch(eSearchCommand())
        case 37: .cancelUpdate(array(1...3) { $0.tag() })
        case 38:
            .uidBatches(
                UIDBatchesCommand(
                    size: number(), batches: chance(1, of: 2) ? nil : NumberRange(number(), number())))
        default: .move(CopyCommand(numbering: numbering(), messages: messageSet(), mailbox: mailbox()))
        }
    }

    mutating func notifyGroup(_ mailboxes: NotifyMailboxes) -> NotifyGroup {
        var events: [NotifyEvent] = []
        if chance(2, of: 3) {
            let attributes = mailboxes.isSelected ? array(0...3) { $0.fetchAttribute() } : []
            events += [.messageNew(attributes), .messageExpunge]
            if chance(1, of: 2) { events.append(pick([.flagChange, .annotationChange])) }
        }
        if !mailboxes.isSelected {
            events += array(0...2) {
                $0.pick([.mailboxName, .subscriptionChange, .mailboxMetadataChange, .serverMetadataChange])
            }
        }
        if chance(1, of: 8) { events.append(.other("VENDOR.X")) }
        return NotifyGroup(mailboxes, events)
    }

    mutating func notifyCommand() -> NotifyCommand {
        if chance(1, of: 6) { return .none }
        var groups = array(0...3) { generator in
            generator.notifyGroup(
                generator.pick([
                    .inboxes, .personal, .subscribed, .subtree(generator.array(1...2) { $0.mailbox() }),
                    .mailboxes(generator.array(1...2) { $0.mailbox() }),
                ]))
        }
        if groups.isEmpty || chance(1, of: 2) { groups.append(notifyGroup(pick([.selected, .selectedDelayed]))) }
        return .set(status: chance(1, of: 2), groups)
    }

    mutating func metadataEntry() -> MetadataEntry {
        let names = [
            "/private/comment", "/Shared/Comment", "/shared/vendor/x y/z", "/private/vendor/v/\"\\", "/private/a/b/c/d",
            "/shared/(\(number()))",
        ]
        return names.compactMap(MetadataEntry.init).randomElement(using: &self) ?? .privateComment
    }

    /// With octets of every kind, NUL too.
    mutating func metadataValue() -> MetadataValue {
        let octets: ByteBuffer? =
            switch Int.random(in: 0..<4, using: &self) {
            case 0: nil
            case 1: ByteBuffer(bytes: array(0...40) { UInt8.random(in: 0...3, using: &$0) })
            default: octets()
            }
        return MetadataValue(metadataEntry(), octets)
    }

    mutating func rights() -> Rights {
        Rights(String(array(0...5) { $0.pick(Array("lrswipkxtecda019")) })) ?? .empty
    }

    mutating func quotaResource() -> QuotaResource {
        pick([.storage, .message, .mailbox, QuotaResource("ANNOTATION-STORAGE"), QuotaResource(atom())])
    }

    mutating func tag() -> String { pick(["a", "A001", "x.y]", "0", "[1"]) }
}
