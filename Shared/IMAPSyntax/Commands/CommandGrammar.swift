import NIOCore

/// The grammar of whole commands (RFC 9051, 9: `command`).
enum CommandGrammar {
    typealias Arguments = @Sendable (inout ByteCursor) throws(SyntaxError) -> Command

    /// What follows each command's name. APPEND is not here: its message streams, see `AppendCommand.parse`.
    static let table: [String: Arguments] = [
        "CAPABILITY": { _ throws(SyntaxError) in .capability },
        "NOOP": { _ throws(SyntaxError) in .noop },
        "LOGOUT": { _ throws(SyntaxError) in .logout },
        "ID": { cursor throws(SyntaxError) in .id(try IDParameters.parse(&cursor)) },
        "STARTTLS": { _ throws(SyntaxError) in .startTLS },
        "AUTHENTICATE": { cursor throws(SyntaxError) in .authenticate(try AuthenticateCommand.parse(&cursor)) },
        "LOGIN": { cursor throws(SyntaxError) in .login(try LoginCommand.parse(&cursor)) },
        "ENABLE": { cursor throws(SyntaxError) in .enable(try capabilities(&cursor)) },
        "SELECT": { cursor throws(SyntaxError) in .select(try SelectCommand.parse(&cursor)) },
        "EXAMINE": { cursor throws(SyntaxError) in .examine(try SelectCommand.parse(&cursor)) },
        "COMPRESS": { cursor throws(SyntaxError) in
            try cursor.space()
            return .compress(uppercasedASCII(try cursor.atom("a compression mechanism")))
        },
        "UNAUTHENTICATE": { _ throws(SyntaxError) in .unauthenticate },
        "CREATE": { cursor throws(SyntaxError) in .create(try CreateCommand.parse(&cursor)) },
        "DELETE": { cursor throws(SyntaxError) in .delete(try mailbox(&cursor)) },
        "RENAME": { cursor throws(SyntaxError) in
            .rename(from: try mailbox(&cursor), to: try mailbox(&cursor))
        },
        "SUBSCRIBE": { cursor throws(SyntaxError) in .subscribe(try mailbox(&cursor)) },
        "UNSUBSCRIBE": { cursor throws(SyntaxError) in .unsubscribe(try mailbox(&cursor)) },
        "LIST": { cursor throws(SyntaxError) in .list(try ListCommand.parse(&cursor)) },
        "LSUB": { cursor throws(SyntaxError) in
            let reference = try mailbox(&cursor)
            try cursor.space()
            return .lsub(reference: reference, pattern: try cursor.mailboxPattern())
        },
        "NAMESPACE": { _ throws(SyntaxError) in .namespace },
        "STATUS": { cursor throws(SyntaxError) in .status(try StatusCommand.parse(&cursor)) },
        "IDLE": { _ throws(SyntaxError) in .idle },
        "NOTIFY": { cursor throws(SyntaxError) in .notify(try NotifyCommand.parse(&cursor)) },
        "GETQUOTA": { cursor throws(SyntaxError) in .getQuota(try cursor.quotaRoot()) },
        "GETQUOTAROOT": { cursor throws(SyntaxError) in .getQuotaRoot(try mailbox(&cursor)) },
        "SETQUOTA": { cursor throws(SyntaxError) in .setQuota(try SetQuotaCommand.parse(&cursor)) },
        "GETMETADATA": { cursor throws(SyntaxError) in .getMetadata(try GetMetadataCommand.parse(&cursor)) },
        "SETMETADATA": { cursor throws(SyntaxError) in .setMetadata(try SetMetadataCommand.parse(&cursor)) },
        "SETACL": { cursor throws(SyntaxError) in .setACL(try SetACLCommand.parse(&cursor)) },
        "DELETEACL": { cursor throws(SyntaxError) in .deleteACL(try ACLSubject.parse(&cursor)) },
        "GETACL": { cursor throws(SyntaxError) in .getACL(try mailbox(&cursor)) },
        "LISTRIGHTS": { cursor throws(SyntaxError) in .listRights(try ACLSubject.parse(&cursor)) },
        "MYRIGHTS": { cursor throws(SyntaxError) in .myRights(try mailbox(&cursor)) },
        "ESEARCH": { cursor throws(SyntaxError) in .eSearch(try ESearchCommand.parse(&cursor)) },
        "CANCELUPDATE": { cursor throws(SyntaxError) in .cancelUpdate(try cursor.cancelledTags()) },
        "RESETKEY": { cursor throws(SyntaxError) in .resetKey(try ResetKeyCommand.parse(&cursor)) },
        "GENURLAUTH": { cursor throws(SyntaxError) in
            .generateURLAuthorization(try URLAuthorizationRequest.parseAll(&cursor))
        },
        "URLFETCH": { cursor throws(SyntaxError) in .urlFetch(try cursor.urls()) },
        "CHECK": { _ throws(SyntaxError) in .check },
        "CLOSE": { _ throws(SyntaxError) in .close },
        "UNSELECT": { _ throws(SyntaxError) in .unselect },
        "EXPUNGE": { _ throws(SyntaxError) in .expunge },
        "SEARCH": { cursor throws(SyntaxError) in .search(try SearchCommand.parse(&cursor, .sequenceNumbers)) },
        "SORT": { cursor throws(SyntaxError) in .sort(try SortCommand.parse(&cursor, .sequenceNumbers)) },
        "THREAD": { cursor throws(SyntaxError) in .thread(try ThreadCommand.parse(&cursor, .sequenceNumbers)) },
        "UIDBATCHES": { cursor throws(SyntaxError) in .uidBatches(try UIDBatchesCommand.parse(&cursor)) },
        "FETCH": { cursor throws(SyntaxError) in .fetch(try FetchCommand.parse(&cursor, .sequenceNumbers)) },
        "STORE": { cursor throws(SyntaxError) in .store(try StoreCommand.parse(&cursor, .sequenceNumbers)) },
        "COPY": { cursor throws(SyntaxError) in .copy(try CopyCommand.parse(&cursor, .sequenceNumbers)) },
        "MOVE": { cursor throws(SyntaxError) in .move(try CopyCommand.parse(&cursor, .sequenceNumbers)) },
        "UID": uid,
    ]

    /// What may follow UID (RFC 9051, 6.4.9; RFC 4315, 2.1).
    static let uidTable: [String: Arguments] = [
        "SEARCH": { cursor throws(SyntaxError) in .search(try SearchCommand.parse(&cursor, .uids)) },
        "SORT": { cursor throws(SyntaxError) in .sort(try SortCommand.parse(&cursor, .uids)) },
        "THREAD": { cursor throws(SyntaxError) in .thread(try ThreadCommand.parse(&cursor, .uids)) },
        "FETCH": { cursor throws(SyntaxError) in .fetch(try FetchCommand.parse(&cursor, .uids)) },
        "STORE": { cursor throws(SyntaxError) in .store(try StoreCommand.parse(&cursor, .uids)) },
        "COPY": { cursor throws(SyntaxError) in .copy(try CopyCommand.parse(&cursor, .uids)) },
        "MOVE": { cursor throws(SyntaxError) in .move(try CopyCommand.parse(&cursor, .uids)) },
        "EXPUNGE": { cursor throws(SyntaxError) in
            try cursor.space()
            return .uidExpunge(try cursor.messageSet())
        },
    ]

    /// A command from its tag to its CRLF.
    static func command(_ cursor: inout ByteCursor) throws(SyntaxError) -> TaggedCommand {
        let tag = try tag(&cursor)
        try cursor.space()
        let command = try lookUp(in: table, &cursor)(&cursor)
        try cursor.endOfLine()
        return TaggedCommand(tag: tag, command: command)
    }

    /// `tag`
    static func tag(_ cursor: inout ByteCursor) throws(SyntaxError) -> String {
        let range = cursor.skip(while: .tag)
        guard !range.isEmpty else { throw cursor.failure("a tag") }
        guard range.count <= cursor.limits.tagOctets else { throw cursor.beyond(.tagOctets) }
        return cursor.text(range)
    }

    private static let uid: Arguments = { cursor throws(SyntaxError) in
        try cursor.space()
        return try lookUp(in: uidTable, &cursor)(&cursor)
    }

    private static func lookUp(
        in table: [String: Arguments], _ cursor: inout ByteCursor
    ) throws(SyntaxError) -> Arguments {
        let start = cursor.position
        let range = cursor.skip(while: .atom)
        guard !range.isEmpty else { throw cursor.failure("a command") }
        let name = cursor.uppercasedText(range.prefix(32))
        guard range.count <= 32, let arguments = table[name] else {
            throw SyntaxError(problem: .unknownCommand(name), position: start, reachedEnd: false)
        }
        return arguments
    }

    /// `SP mailbox`
    private static func mailbox(_ cursor: inout ByteCursor) throws(SyntaxError) -> MailboxName {
        try cursor.space()
        return try cursor.mailbox()
    }

    /// `1*(SP capability)`
    private static func capabilities(_ cursor: inout ByteCursor) throws(SyntaxError) -> [Capability] {
        var capabilities: [Capability] = []
        repeat {
            guard capabilities.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            try cursor.space()
            capabilities.append(try cursor.capability())
        } while !cursor.isAtEndOfLine
        return capabilities
    }
}

extension Command {
    /// What follows the command's name.
    func writeArguments(to writer: inout CommandWriter) {
        switch self {
        case .capability, .noop, .logout, .startTLS, .namespace, .idle, .check, .close, .unselect, .expunge,
            .unauthenticate:
            break
        case .id(let parameters):
            writer.space()
            writer.idParameters(parameters)
        case .authenticate(let arguments): arguments.write(to: &writer)
        case .login(let arguments): arguments.write(to: &writer)
        case .enable(let capabilities):
            for capability in capabilities {
                writer.space()
                writer.text(capability.name)
            }
        case .select(let arguments), .examine(let arguments): arguments.write(to: &writer)
        case .compress(let mechanism):
            writer.space()
            writer.text(mechanism)
        case .delete(let mailbox), .subscribe(let mailbox), .unsubscribe(let mailbox):
            writer.space()
            writer.mailbox(mailbox)
        case .create(let arguments): arguments.write(to: &writer)
        case .rename(let from, let to):
            writer.space()
            writer.mailbox(from)
            writer.space()
            writer.mailbox(to)
        case .list(let arguments): arguments.write(to: &writer)
        case .lsub(let reference, let pattern):
            writer.space()
            writer.mailbox(reference)
            writer.space()
            writer.pattern(pattern)
        case .status(let arguments): arguments.write(to: &writer)
        case .notify(let arguments): arguments.write(to: &writer)
        case .getQuota(let root):
            writer.space()
            writer.astring(root)
        case .getQuotaRoot(let mailbox), .getACL(let mailbox), .myRights(let mailbox):
            writer.space()
            writer.mailbox(mailbox)
        case .setQuota(let arguments): arguments.write(to: &writer)
        case .getMetadata(let arguments): arguments.write(to: &writer)
        case .setMetadata(let arguments): arguments.write(to: &writer)
        case .setACL(let arguments): arguments.write(to: &writer)
        case .deleteACL(let subject), .listRights(let subject): subject.write(to: &writer)
        case .eSearch(let arguments): arguments.write(to: &writer)
        case .cancelUpdate(let tags): writer.cancelledTags(tags)
        case .resetKey(let arguments): arguments.write(to: &writer)
        case .generateURLAuthorization(let requests): for request in requests { request.write(to: &writer) }
        case .urlFetch(let urls):
            for url in urls {
                writer.space()
                writer.astring(url)
            }
        case .uidExpunge(let messages):
            writer.space()
            writer.messageSet(messages)
        case .search(let arguments): arguments.write(to: &writer)
        case .sort(let arguments): arguments.write(to: &writer)
        case .thread(let arguments): arguments.write(to: &writer)
        case .uidBatches(let arguments): arguments.write(to: &writer)
        case .fetch(let arguments): arguments.write(to: &writer)
        case .store(let arguments): arguments.write(to: &writer)
        case .copy(let arguments), .move(let arguments): arguments.write(to: &writer)
        }
    }
}
