/// NOTIFY: of what the client wants to hear, also while it says nothing (RFC 5465, 3.1).
public enum NotifyCommand: Hashable, Sendable {
    /// Of nothing.
    case none
    /// Of these events, instead of those that it named before. `status` asks for a STATUS response at once for each
    /// mailbox whose messages it wants to hear of.
    case set(status: Bool, [NotifyGroup])
}

/// Mailboxes, and what the client wants to hear of them.
public struct NotifyGroup: Hashable, Sendable {
    /// Which.
    public var mailboxes: NotifyMailboxes
    /// What; nothing for NONE.
    public var events: [NotifyEvent]

    /// Mailboxes and events.
    public init(_ mailboxes: NotifyMailboxes, _ events: [NotifyEvent]) {
        self.mailboxes = mailboxes
        self.events = events
    }
}

/// Which mailboxes are watched (RFC 5465, 6).
public enum NotifyMailboxes: Hashable, Sendable {
    /// The selected one, at once.
    case selected
    /// The selected one; expunges wait for a command that may tell them.
    case selectedDelayed
    /// Those that mail may be delivered to.
    case inboxes
    case personal
    case subscribed
    /// These and all below them.
    case subtree([MailboxName])
    case mailboxes([MailboxName])

    /// Whether the selected mailbox is meant: then only events of messages may be named.
    public var isSelected: Bool { self == .selected || self == .selectedDelayed }
}

/// What may happen to a mailbox (RFC 5465, 5).
public enum NotifyEvent: Hashable, Sendable {
    /// A message came; of one in the selected mailbox these are told.
    case messageNew([FetchAttribute])
    case messageExpunge
    case flagChange
    case annotationChange
    case mailboxName
    case subscriptionChange
    case mailboxMetadataChange
    case serverMetadataChange
    /// One that is not known here, in upper case: refused with NO (RFC 5465, 3.1).
    case other(String)

    /// Events without arguments by name.
    fileprivate static let bare: [(name: String, event: NotifyEvent)] = [
        ("MessageExpunge", .messageExpunge), ("FlagChange", .flagChange), ("AnnotationChange", .annotationChange),
        ("MailboxName", .mailboxName), ("SubscriptionChange", .subscriptionChange),
        ("MailboxMetadataChange", .mailboxMetadataChange), ("ServerMetadataChange", .serverMetadataChange),
    ]

    /// The name as the RFC writes it.
    public var name: String {
        switch self {
        case .messageNew: "MessageNew"
        case .other(let name): name
        default: NotifyEvent.bare.first { $0.event == self }?.name ?? ""
        }
    }

    fileprivate var isOfMessages: Bool {
        switch self {
        case .messageNew, .messageExpunge, .flagChange, .annotationChange, .other: true
        case .mailboxName, .subscriptionChange, .mailboxMetadataChange, .serverMetadataChange: false
        }
    }
}

extension NotifyCommand {
    /// `SP ("SET" [SP "STATUS"] SP event-groups / "NONE")`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> NotifyCommand {
        try cursor.space()
        if cursor.skip(word: "NONE") { return .none }
        guard cursor.skip(word: "SET") else { throw cursor.failure("SET or NONE") }
        try cursor.space()
        let status = cursor.skip(word: "STATUS")
        if status { try cursor.space() }
        var groups: [NotifyGroup] = []
        repeat {
            guard groups.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            let start = cursor.position
            let group = try NotifyGroup.parse(&cursor)
            guard !group.mailboxes.isSelected || !groups.contains(where: \.mailboxes.isSelected) else {
                throw cursor.failure("SELECTED or SELECTED-DELAYED only once", at: start)
            }
            groups.append(group)
        } while cursor.skip(0x20)
        return .set(status: status, groups)
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .none: writer.text(" NONE")
        case .set(let status, let groups):
            writer.text(status ? " SET STATUS " as StaticString : " SET ")
            writer.separated(groups) { $1.write(to: &$0) }
        }
    }
}

extension NotifyGroup {
    /// `"(" filter-mailboxes SP events ")"`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> NotifyGroup {
        try cursor.openParenthesis()
        let mailboxes = try NotifyMailboxes.parse(&cursor)
        try cursor.space()
        let start = cursor.position
        let events: [NotifyEvent] =
            cursor.skip(word: "NONE")
            ? [] : try cursor.list { cursor throws(SyntaxError) in try NotifyEvent.parse(&cursor, mailboxes) }
        let hasNew = events.contains { if case .messageNew = $0 { true } else { false } }
        let hasExpunge = events.contains(.messageExpunge)
        guard hasNew == hasExpunge else { throw cursor.failure("MessageNew and MessageExpunge together", at: start) }
        guard hasNew || !(events.contains(.flagChange) || events.contains(.annotationChange)) else {
            throw cursor.failure("MessageNew and MessageExpunge with FlagChange and AnnotationChange", at: start)
        }
        try cursor.closeParenthesis()
        return NotifyGroup(mailboxes, events)
    }

    func write(to writer: inout CommandWriter) {
        writer.text("(")
        mailboxes.write(to: &writer)
        writer.space()
        if events.isEmpty { writer.text("NONE") } else { writer.list(events) { $1.write(to: &$0) } }
        writer.text(")")
    }
}

extension NotifyMailboxes {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> NotifyMailboxes {
        let start = cursor.position
        switch try cursor.word("which mailboxes") {
        case "SELECTED": return .selected
        case "SELECTED-DELAYED": return .selectedDelayed
        case "INBOXES": return .inboxes
        case "PERSONAL": return .personal
        case "SUBSCRIBED": return .subscribed
        case "SUBTREE": return .subtree(try cursor.mailboxes())
        case "MAILBOXES": return .mailboxes(try cursor.mailboxes())
        default:
            throw cursor.failure(
                "selected, selected-delayed, inboxes, personal, subscribed, subtree or mailboxes", at: start)
        }
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .selected: writer.text("SELECTED")
        case .selectedDelayed: writer.text("SELECTED-DELAYED")
        case .inboxes: writer.text("INBOXES")
        case .personal: writer.text("PERSONAL")
        case .subscribed: writer.text("SUBSCRIBED")
        case .subtree(let names): writer.mailboxes("SUBTREE", names)
        case .mailboxes(let names): writer.mailboxes("MAILBOXES", names)
        }
    }
}

extension NotifyEvent {
    static func parse(
        _ cursor: inout ByteCursor, _ mailboxes: NotifyMailboxes
    ) throws(SyntaxError) -> NotifyEvent {
        let start = cursor.position
        let name = try cursor.word("an event")
        var event: NotifyEvent
        if name == "MESSAGENEW" {
            event = .messageNew([])
            if cursor.isNext(0x20), cursor.peek(1) == UInt8(ascii: "(") {
                guard mailboxes.isSelected else {
                    throw cursor.failure("fetch attributes only for the selected mailbox")
                }
                try cursor.space()
                event = .messageNew(
                    try cursor.list { cursor throws(SyntaxError) in try FetchAttribute.parse(&cursor) })
            }
        } else {
            event = bare.first { uppercasedASCII($0.name) == name }?.event ?? .other(name)
        }
        guard event.isOfMessages || !mailboxes.isSelected else {
            throw cursor.failure("an event of messages, for the selected mailbox", at: start)
        }
        return event
    }

    func write(to writer: inout CommandWriter) {
        writer.text(name)
        if case .messageNew(let attributes) = self, !attributes.isEmpty {
            writer.space()
            writer.list(attributes) { $1.write(to: &$0) }
        }
    }
}
