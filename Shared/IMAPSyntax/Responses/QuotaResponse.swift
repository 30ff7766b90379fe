/// What a quota root has and may have (RFC 9208, 4.2.1).
public struct QuotaResponse: Hashable, Sendable {
    /// The name of the quota root.
    public var root: String
    /// What is not named here has no limit.
    public var resources: [QuotaUse]

    /// A QUOTA response.
    public init(root: String, resources: [QuotaUse]) {
        self.root = root
        self.resources = resources
    }
}

/// How much there is of a resource, and how much there may be (RFC 9208, 7: `quota-resource`).
public struct QuotaUse: Hashable, Sendable {
    /// The resource.
    public var resource: QuotaResource
    /// How much there is, in the resource's own unit.
    public var usage: UInt64
    /// How much there may be, in the resource's own unit.
    public var limit: UInt64

    /// Use and limit of a resource.
    public init(_ resource: QuotaResource, usage: UInt64, limit: UInt64) {
        self.resource = resource
        self.usage = usage
        self.limit = limit
    }
}

extension QuotaResponse {
    /// `SP quota-root-name SP quota-list`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> QuotaResponse {
        let root = try cursor.quotaRoot()
        try cursor.space()
        let resources = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
            let resource = try cursor.quotaResource()
            try cursor.space()
            let usage = try cursor.number64("a usage")
            try cursor.space()
            return QuotaUse(resource, usage: usage, limit: try cursor.number64("a limit"))
        }
        return QuotaResponse(root: root, resources: resources)
    }

    /// `SP mailbox *(SP quota-root-name)`
    static func parseRoots(_ cursor: inout ByteCursor) throws(SyntaxError) -> UntaggedResponse {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        var roots: [String] = []
        while !cursor.isAtEndOfLine {
            guard roots.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            roots.append(try cursor.quotaRoot())
        }
        return .quotaRoot(mailbox, roots)
    }
}

extension ResponsePrinter {
    /// `* QUOTA "" (STORAGE 10 512)` (RFC 9208, 4.2.1)
    public mutating func quota(_ response: QuotaResponse) {
        text("* QUOTA ")
        astring(response.root)
        space()
        list(response.resources) { writer, use in
            writer.text(use.resource.name)
            writer.space()
            writer.number(use.usage)
            writer.space()
            writer.number(use.limit)
        }
        endOfLine()
    }

    /// `* QUOTAROOT INBOX ""` (RFC 9208, 4.2.2)
    public mutating func quotaRoots(of mailbox: MailboxName, _ roots: [String]) {
        text("* QUOTAROOT ")
        self.mailbox(mailbox)
        for root in roots {
            space()
            astring(root)
        }
        endOfLine()
    }
}
