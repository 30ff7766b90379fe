/// What STATUS asks about a mailbox (RFC 9051, 6.3.11; RFC 3501, 6.3.10; RFC 8438; RFC 7162).
public enum StatusItem: String, Hashable, Sendable, CaseIterable {
    case messages = "MESSAGES"
    /// IMAP4rev1 only.
    case recent = "RECENT"
    case uidNext = "UIDNEXT"
    case uidValidity = "UIDVALIDITY"
    case unseen = "UNSEEN"
    case deleted = "DELETED"
    case size = "SIZE"
    /// RFC 7162, 3.1.7.
    case highestModificationSequence = "HIGHESTMODSEQ"
    /// RFC 8474, 4.3
    case mailboxID = "MAILBOXID"
    /// RFC 7889, 3.1
    case appendLimit = "APPENDLIMIT"
    /// RFC 9208, 4.1.4
    case deletedStorage = "DELETED-STORAGE"
}
