import NIOCore

/// Untagged responses and codes (RFC 9051, 7.1 to 7.4).
extension ResponsePrinter {
    /// Any untagged response.
    public mutating func untagged(_ response: UntaggedResponse) {
        switch response {
        case .status(let status): untagged(status)
        case .capability(let capabilities): names("* CAPABILITY", capabilities)
        case .enabled(let capabilities): names("* ENABLED", capabilities)
        case .id(let parameters):
            text("* ID ")
            idParameters(parameters)
            endOfLine()
        case .list(let listing): list(listing)
        case .lsub(let listing): list(listing, as: "LSUB")
        case .namespace(let response): namespace(response)
        case .mailboxStatus(let mailbox, let values): status(of: mailbox, values)
        case .quota(let response): quota(response)
        case .quotaRoot(let mailbox, let roots): quotaRoots(of: mailbox, roots)
        case .metadata(let mailbox, let values): metadata(of: mailbox, values)
        case .metadataChanged(let mailbox, let entries): metadataChanged(of: mailbox, entries)
        case .acl(let mailbox, let entries): acl(of: mailbox, entries)
        case .listRights(let response): listRights(response)
        case .myRights(let mailbox, let rights): myRights(on: mailbox, rights)
        case .authorizedURLs(let urls): authorizedURLs(urls)
        case .urlFetch(let fetched): urlFetch(fetched)
        case .flags(let flags):
            text("* FLAGS ")
            self.flags(flags)
            endOfLine()
        case .search(let numbers, let modificationSequence):
            search(numbers, modificationSequence: modificationSequence)
        case .eSearch(let response): eSearch(response)
        case .sort(let numbers, let modificationSequence): sort(numbers, modificationSequence: modificationSequence)
        case .thread(let threads): self.threads(threads)
        case .uidBatches(let response): uidBatches(response)
        case .exists(let count): exists(count)
        case .recent(let count): recent(count)
        case .expunge(let number): expunge(number)
        case .vanished(let uids, let earlier): vanished(uids, earlier: earlier)
        case .fetch(let number, let data):
            beginFetch(number)
            for datum in data { fetch(datum) }
            endFetch()
        case .uidFetch(let uid, let data):
            beginUIDFetch(uid)
            for datum in data { fetch(datum) }
            endFetch()
        case .other(let name, let rest):
            text("* ")
            text(name)
            raw(rest)
            endOfLine()
        }
    }

    private mutating func names(_ head: StaticString, _ capabilities: [Capability]) {
        text(head)
        for capability in capabilities {
            space()
            text(capability.name)
        }
        endOfLine()
    }

    /// LIST or LSUB (RFC 9051, 7.3.1).
    public mutating func list(_ listing: MailboxListing, as name: StaticString = "LIST") {
        text("* ")
        text(name)
        space()
        list(listing.attributes) { $0.text($1.name) }
        space()
        delimiter(listing.delimiter)
        space()
        mailbox(listing.mailbox)
        if !listing.extended.isEmpty {
            space()
            list(listing.extended) { writer, item in
                switch item {
                case .childInfo(let options):
                    writer.text("\"CHILDINFO\" ")
                    writer.list(options) { $0.string($1.rawValue) }
                case .oldName(let name):
                    writer.text("\"OLDNAME\" (")
                    writer.mailbox(name)
                    writer.text(")")
                case .other(let tag, let value):
                    writer.astring(tag)
                    writer.space()
                    writer.extensionValue(value)
                }
            }
        }
        endOfLine()
    }

    private mutating func namespace(_ response: NamespaceResponse) {
        text("* NAMESPACE")
        for kind in [response.personal, response.otherUsers, response.shared] {
            space()
            guard let kind, !kind.isEmpty else {
                text("NIL")
                continue
            }
            octet(UInt8(ascii: "("))
            for namespace in kind {
                octet(UInt8(ascii: "("))
                mailboxPrefix(namespace.prefix)
                space()
                delimiter(namespace.delimiter)
                octet(UInt8(ascii: ")"))
            }
            octet(UInt8(ascii: ")"))
        }
        endOfLine()
    }

    /// `* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)`
    public mutating func status(of mailbox: MailboxName, _ values: [StatusValue]) {
        text("* STATUS ")
        self.mailbox(mailbox)
        space()
        list(values) { writer, value in
            writer.text(value.item.rawValue)
            writer.space()
            switch value.value {
            case .number(let number): writer.number(number)
            case .objectID(let identifier): writer.listedObjectID(identifier)
            case .absent: writer.text("NIL")
            }
        }
        endOfLine()
    }

    /// `* SEARCH 2 3 6`, IMAP4rev1 (RFC 3501, 7.2.5), or `* SEARCH 2 3 6 (MODSEQ 917)` (RFC 7162, 3.1.6).
    public mutating func search(_ numbers: some Sequence<UInt32>, modificationSequence: UInt64? = nil) {
        searchResult("* SEARCH", numbers, modificationSequence)
    }

    /// `* SORT 2 84 882` (RFC 5256, 4), or `* SORT 2 84 882 (MODSEQ 917)` (RFC 7162, 3.1.9).
    public mutating func sort(_ numbers: some Sequence<UInt32>, modificationSequence: UInt64? = nil) {
        searchResult("* SORT", numbers, modificationSequence)
    }

    private mutating func searchResult(
        _ head: StaticString, _ numbers: some Sequence<UInt32>, _ modificationSequence: UInt64?
    ) {
        text(head)
        for number in numbers {
            space()
            self.number(number)
        }
        if let modificationSequence {
            text(" (MODSEQ ")
            number(modificationSequence)
            text(")")
        }
        endOfLine()
    }

    /// `* VANISHED 405,407:410`, or with EARLIER (RFC 7162, 3.2.10).
    public mutating func vanished(_ uids: SequenceSet, earlier: Bool) {
        text(earlier ? "* VANISHED (EARLIER) " as StaticString : "* VANISHED ")
        sequenceSet(uids)
        endOfLine()
    }

    /// `* ESEARCH (TAG "A282") MIN 2 COUNT 3`
    public mutating func eSearch(_ response: ESearchResponse) {
        text("* ESEARCH")
        correlators(response)
        if response.numbering == .uids { text(" UID") }
        for datum in response.data {
            space()
            switch datum {
            case .min(let number):
                text("MIN ")
                self.number(number)
            case .max(let number):
                text("MAX ")
                self.number(number)
            case .count(let count):
                text("COUNT ")
                number(count)
            case .all(let set):
                text("ALL ")
                sequenceSet(set)
            case .modificationSequence(let value):
                text("MODSEQ ")
                number(value)
            case .partial(let partial, let set):
                text("PARTIAL (")
                resultPartial(partial)
                space()
                if let set { sequenceSet(set) } else { text("NIL") }
                octet(UInt8(ascii: ")"))
            case .relevancy(let scores):
                text("RELEVANCY ")
                list(scores) { $0.number($1) }
            case .addTo(let changes):
                text("ADDTO ")
                contextChanges(changes)
            case .removeFrom(let changes):
                text("REMOVEFROM ")
                contextChanges(changes)
            case .other(let name, let value):
                text(name)
                space()
                extensionValue(value)
            }
        }
        endOfLine()
    }

    /// `[search-correlator]`
    private mutating func correlators(_ response: ESearchResponse) {
        guard response.tag != nil || response.mailbox != nil || response.uidValidity != nil else { return }
        var isFirst = true
        func separate(_ writer: inout ResponsePrinter) {
            writer.text(isFirst ? " (" as StaticString : " ")
            isFirst = false
        }
        if let tag = response.tag {
            separate(&self)
            text("TAG ")
            string(tag)
        }
        if let mailbox = response.mailbox {
            separate(&self)
            text("MAILBOX ")
            self.mailbox(mailbox)
        }
        if let validity = response.uidValidity {
            separate(&self)
            text("UIDVALIDITY ")
            number(validity)
        }
        octet(UInt8(ascii: ")"))
    }

    /// `resp-text-code` without its brackets.
    mutating func code(_ code: ResponseCode) {
        if let name = code.bareName { return text(name) }
        switch code {
        case .appendUID(let validity, let set):
            text("APPENDUID ")
            number(validity)
            space()
            sequenceSet(set)
        case .copyUID(let validity, let source, let target):
            text("COPYUID ")
            number(validity)
            space()
            sequenceSet(source)
            space()
            sequenceSet(target)
        case .badEvent(let events):
            text("BADEVENT ")
            list(events) { $0.text($1) }
        case .badURL(let url):
            text("BADURL ")
            urlText(url)
        case .badCharset(let charsets):
            text("BADCHARSET")
            if !charsets.isEmpty {
                space()
                list(charsets) { $0.astring($1) }
            }
        case .capability(let capabilities):
            text("CAPABILITY ")
            separated(capabilities) { $0.text($1.name) }
        case .highestModificationSequence(let value):
            text("HIGHESTMODSEQ ")
            number(value)
        case .inProgress(let tag, let done, let goal):
            text("INPROGRESS")
            guard tag != nil || done != nil || goal != nil else { return }
            text(" (")
            nilOrString(tag.map { ByteBuffer(string: $0) })
            for number in [done, goal] {
                space()
                if let number { self.number(number) } else { text("NIL") }
            }
            text(")")
        case .messageLimit(let limit, let lowest):
            text("MESSAGELIMIT ")
            number(limit)
            if let lowest {
                space()
                number(lowest)
            }
        case .modified(let set):
            text("MODIFIED ")
            sequenceSet(set)
        case .permanentFlags(let flags):
            text("PERMANENTFLAGS ")
            self.flags(flags)
        case .uidNext(let uid):
            text("UIDNEXT ")
            number(uid)
        case .uidValidity(let validity):
            text("UIDVALIDITY ")
            number(validity)
        case .unseen(let number):
            text("UNSEEN ")
            self.number(number)
        case .urlMechanisms(let mechanisms):
            text("URLMECH INTERNAL")
            for mechanism in mechanisms {
                space()
                text(mechanism)
            }
        case .mailboxID(let identifier):
            text("MAILBOXID ")
            listedObjectID(identifier)
        case .metadata(let code): metadataCode(code)
        case .noUpdate(let tag):
            text("NOUPDATE ")
            string(tag)
        case .undefinedFilter(let name):
            text("UNDEFINED-FILTER ")
            text(name)
        case .other(let name, let rest):
            text(name)
            if let rest {
                space()
                text(rest)
            }
        case .alert, .alreadyExists, .authenticationFailed, .authorizationFailed, .cannot, .clientBug, .closed,
            .compressionActive, .contactAdmin, .corruption, .expired, .expungeIssued, .hasChildren, .inUse, .limit,
            .noModificationSequences, .nonExistent, .noPermission, .notSaved, .notificationOverflow, .overQuota, .parse,
            .privacyRequired, .readOnly, .readWrite, .serverBug, .tooBig, .tooFew, .tooMany,
            .tryCreate, .uidNotSticky, .uidRequired, .unavailable, .unknownCTE, .useAttribute:
            break
        }
    }
}
