import NIOCore

/// Anything that a server sends (RFC 9051, 7).
public enum Response: Hashable, Sendable {
    /// The end of a command.
    case tagged(String, StatusResponse)
    case untagged(UntaggedResponse)
    case continuation(ContinuationRequest)
}

/// `+`: the server waits for more of a command (RFC 9051, 7.6).
public enum ContinuationRequest: Hashable, Sendable {
    case text(ResponseText)
    /// A challenge of AUTHENTICATE, decoded.
    case challenge(ByteBuffer)
}

/// How a command went, or what the server has to say (RFC 9051, 7.1).
public enum StatusCondition: String, Hashable, Sendable, CaseIterable {
    case ok = "OK"
    case no = "NO"
    case bad = "BAD"
    /// Never tagged.
    case bye = "BYE"
    /// Only in the greeting.
    case preauth = "PREAUTH"
}

/// `OK [UIDNEXT 4392] Predicted next UID`
public struct StatusResponse: Hashable, Sendable {
    /// OK, NO, BAD, BYE or PREAUTH.
    public var condition: StatusCondition
    /// What follows it.
    public var text: ResponseText

    /// A status response with a code.
    public init(_ condition: StatusCondition, _ code: ResponseCode?, _ text: String) {
        self.condition = condition
        self.text = ResponseText(code, text)
    }

    /// A status response without a code.
    public init(_ condition: StatusCondition, _ text: String) { self.init(condition, nil, text) }
}

/// A text for a person with an optional code for a program (RFC 9051, 9: `resp-text`).
public struct ResponseText: Hashable, Sendable {
    /// For the program.
    public var code: ResponseCode?
    /// For the person.
    public var text: String

    /// A text with an optional code.
    public init(_ code: ResponseCode?, _ text: String) {
        self.code = code
        self.text = text
    }

    /// A text without a code.
    public init(_ text: String) { self.init(nil, text) }
}

/// A response that does not end a command (RFC 9051, 7.2 to 7.5).
public enum UntaggedResponse: Hashable, Sendable {
    /// Also the greeting.
    case status(StatusResponse)
    case capability([Capability])
    case enabled([Capability])
    case id(IDParameters?)
    case list(MailboxListing)
    case lsub(MailboxListing)
    case namespace(NamespaceResponse)
    case mailboxStatus(MailboxName, [StatusValue])
    case quota(QuotaResponse)
    /// The quota roots of a mailbox (RFC 9208, 4.2.2).
    case quotaRoot(MailboxName, [String])
    /// Annotations of a mailbox, or of the server for the empty name (RFC 5464, 4.4.1).
    case metadata(MailboxName, [MetadataValue])
    /// Names of annotations that have changed (RFC 5464, 4.4.2); never empty.
    case metadataChanged(MailboxName, [MetadataEntry])
    /// RFC 4314, 3.6
    case acl(MailboxName, [ACLEntry])
    /// RFC 4314, 3.7
    case listRights(ListRightsResponse)
    /// RFC 4314, 3.8
    case myRights(MailboxName, Rights)
    /// GENURLAUTH (RFC 4467, 8); never empty.
    case authorizedURLs([String])
    /// RFC 4467, 8; never empty.
    case urlFetch([FetchedURL])
    case flags([Flag])
    /// IMAP4rev1 (RFC 3501, 7.2.5), and when MODSEQ was searched for, the greatest of what was found (RFC 7162, 3.1.6).
    case search([UInt32], modificationSequence: UInt64? = nil)
    case eSearch(ESearchResponse)
    /// In the order that was asked for (RFC 5256, 4).
    case sort([UInt32], modificationSequence: UInt64? = nil)
    case thread(MessageThreads)
    /// RFC 10022, 3.1.2
    case uidBatches(UIDBatchesResponse)
    case exists(UInt32)
    /// IMAP4rev1 (RFC 3501, 7.3.2).
    case recent(UInt32)
    case expunge(UInt32)
    /// Unique identifiers that are gone; `earlier` when the client did not count them any more (RFC 7162, 3.2.10).
    case vanished(SequenceSet, earlier: Bool)
    case fetch(UInt32, [FetchDatum])
    /// What FETCH says, by unique identifier: after ENABLE UIDONLY (RFC 9586, 3.3).
    case uidFetch(UInt32, [FetchDatum])
    /// A response of an extension that is not known here: its name in upper case, and the rest of its line.
    case other(String, ByteBuffer)
}

/// A value of a STATUS response.
public struct StatusValue: Hashable, Sendable {
    /// What it is.
    public var item: StatusItem
    /// What is said of it.
    public var value: StatusDatum

    /// A value of a STATUS response.
    public init(_ item: StatusItem, _ value: StatusDatum) {
        self.item = item
        self.value = value
    }

    /// How much of something there is.
    public init(_ item: StatusItem, _ value: UInt64) { self.init(item, .number(value)) }
}

/// What a STATUS response says of one item.
public enum StatusDatum: Hashable, Sendable {
    case number(UInt64)
    /// MAILBOXID (RFC 8474, 4.3).
    case objectID(ObjectID)
    /// NIL: APPENDLIMIT of a mailbox without a limit (RFC 7889, 3).
    case absent
}
