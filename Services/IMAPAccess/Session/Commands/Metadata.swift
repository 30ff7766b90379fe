import Contracts
import IMAPSyntax
import NIOCore

/// GETMETADATA and SETMETADATA (RFC 5464), and the annotations that LIST returns (RFC 9590). Mailboxes have private and
/// shared entries: the private ones are the owner's alone, the shared ones are shown to those who have rights, and changed
/// by those who may change flags. The server's private entries are the account's; its shared ones would be everybody's, so
/// that no user sets them.
extension Session {
    func getMetadata(_ arguments: GetMetadataCommand) async throws -> CommandOutcome {
        let place = try await placeOfMetadata(arguments.mailbox, needing: .lookup)
        var request = GetMetadataRequest()
        request.accountID = place.accountID
        request.mailboxName = place.name.value
        request.entries = arguments.entries.map(\.name)
        request.depth =
            switch arguments.depth {
            case .zero: 0
            case .one: 1
            case .infinity: -1
            }
        var reply = try await services.store.getMetadata(request, callContext())
        try Refusal.check(reply.outcome)
        if place.isForeign { reply.annotations.removeAll { !$0.isShared } }
        // What is asked for by its name is answered also when it has no value.
        let values =
            arguments.depth == .zero
            ? arguments.entries.values(in: reply.annotations)
            : reply.annotations.compactMap { annotation in
                MetadataEntry(annotation.entry).map { MetadataValue($0, ByteBuffer(bytes: annotation.value)) }
            }
        let limit = arguments.maxSize ?? .max
        let longest = values.map(\.octets).filter { $0 > limit }.max()
        try await reportMetadata(of: arguments.mailbox, values.filter { $0.octets <= limit })
        return .ok("GETMETADATA completed", longest.map { ResponseCode.metadata(.longEntries($0)) })
    }

    func setMetadata(_ arguments: SetMetadataCommand) async throws -> CommandOutcome {
        let place = try await placeOfMetadata(arguments.mailbox, needing: [.lookup, .writeFlags])
        if place.isForeign, arguments.values.contains(where: \.entry.isPrivate) {
            throw Refusal(.no, .metadata(.noPrivate), "Private entries are those of the mailbox's owner")
        }
        var request = SetMetadataRequest()
        request.accountID = place.accountID
        request.mailboxName = place.name.value
        if arguments.mailbox.value.isEmpty, arguments.values.contains(where: { !$0.entry.isPrivate }) {
            throw Refusal(.no, .noPermission, "Shared entries of the server are not a user's to set")
        }
        if arguments.mailbox.value.isEmpty { try checkFilters(arguments.values) }
        request.changes = arguments.values.map { value in
            var change = AnnotationChange()
            change.entry = value.entry.name
            if let octets = value.value { change.value = Bytes(value.entry.canonical(octets).readableBytesView) }
            return change
        }
        if notifications?.told != nil { notifications?.ownAnnotations = request.changes.map(\.entry) }
        let reply = try await services.store.setMetadata(request, callContext(changing: true))
        switch reply.outcome {
        case .done: return .ok("SETMETADATA completed")
        case .noSuchMailbox: throw Refusal.noSuchMailbox
        case .valueTooLarge:
            throw Refusal(.no, .metadata(.maxSize(UInt64(max(0, reply.octetsLimit)))), "A value is too large")
        case .tooMany: throw Refusal(.no, .metadata(.tooMany), "Too much is noted already")
        case .notPermitted: throw Refusal(.no, .useAttribute, "Not a special use that this mailbox can have")
        case .unspecified, .UNRECOGNIZED: throw Refusal.serverBug
        }
    }

    /// A mailbox whose annotations the user may see; for the empty name the account itself.
    private func placeOfMetadata(_ name: MailboxName, needing needed: MailboxRights) async throws -> MailboxPlace {
        let place = try await place(of: name, needing: needed)
        if let mailbox = place.mailbox, !mailbox.showsAnnotations { throw Refusal.noPermission }
        return place
    }

    /// What LIST wants of these mailboxes, by mailbox.
    func metadata(_ entries: [MetadataEntry], of mailboxes: [Mailbox]) async throws -> [Int64: [Annotation]] {
        let ofOwn = try await metadata(entries, in: accountID())
        var annotations = Dictionary(grouping: ofOwn, by: \.mailboxID)
        guard entries.contains(where: { !$0.isPrivate }) else { return annotations }
        let foreign = mailboxes.filter { $0.hasOwner && $0.showsAnnotations }
        for (owner, own) in Dictionary(grouping: foreign, by: \.owner.accountID) {
            let visible = Set(own.map(\.mailboxID))
            for annotation in try await metadata(entries, in: owner)
            where annotation.isShared && visible.contains(annotation.mailboxID) {
                annotations[annotation.mailboxID, default: []].append(annotation)
            }
        }
        return annotations
    }

    private func metadata(_ entries: [MetadataEntry], in accountID: Int64) async throws -> [Annotation] {
        var request = GetMetadataRequest()
        request.accountID = accountID
        request.allMailboxes = true
        request.entries = entries.map(\.name)
        let reply = try await services.store.getMetadata(request, callContext())
        try Refusal.check(reply.outcome)
        return reply.annotations
    }

    /// Writes METADATA responses: one, or several when there is much to say.
    func reportMetadata(of mailbox: MailboxName, _ values: [MetadataValue]) async throws {
        var rest = values[...]
        while !rest.isEmpty {
            var octets: UInt64 = 0
            let portion = rest.prefix { value in
                defer { octets += value.octets }
                return octets == 0 || octets + value.octets <= 32 * 1024
            }
            printer.metadata(of: mailbox, Array(portion))
            rest = rest.dropFirst(portion.count)
            try await breathe()
        }
    }
}

extension Annotation {
    /// Whether it is for all who may see the mailbox.
    var isShared: Bool { entry.hasPrefix("/shared/") }
}

extension [MetadataEntry] {
    /// Each of these once, with its value in `annotations` or NIL.
    func values(in annotations: [Annotation]) -> [MetadataValue] {
        let known = Dictionary(annotations.map { ($0.entry, $0.value) }) { first, _ in first }
        var told: Set<MetadataEntry> = []
        return compactMap { entry in
            guard told.insert(entry).inserted else { return nil }
            return MetadataValue(entry, known[entry.name].map { ByteBuffer(bytes: $0) })
        }
    }
}

extension MetadataEntry {
    /// Special uses are attributes, whose case does not matter (RFC 6154, 4); all else is as the user wrote it.
    fileprivate func canonical(_ octets: ByteBuffer) -> ByteBuffer {
        guard self == .specialUse, octets.readableBytes > 0 else { return octets }
        return ByteBuffer(string: MailboxAttribute(String(buffer: octets)).name)
    }
}

extension MetadataValue {
    var octets: UInt64 { UInt64(value?.readableBytes ?? 0) }
}
