/// SETQUOTA (RFC 9208, 4.1.3).
public struct SetQuotaCommand: Hashable, Sendable {
    /// The name of the quota root.
    public var root: String
    /// The limits that replace all that it has.
    public var limits: [QuotaLimit]

    /// The arguments of SETQUOTA.
    public init(root: String, limits: [QuotaLimit]) {
        self.root = root
        self.limits = limits
    }
}

/// How much there may be of a resource (RFC 9208, 7: `setquota-resource`).
public struct QuotaLimit: Hashable, Sendable {
    /// The resource.
    public var resource: QuotaResource
    /// In the resource's own unit.
    public var limit: UInt64

    /// A limit of a resource.
    public init(_ resource: QuotaResource, _ limit: UInt64) {
        self.resource = resource
        self.limit = limit
    }
}

/// What a quota limits (RFC 9208, 5): a name in upper case.
public struct QuotaResource: Hashable, Sendable, CustomStringConvertible {
    /// The name as it is printed.
    public let name: String

    /// A resource by name. Case does not matter.
    public init(_ name: String) { self.name = uppercasedASCII(name) }

    /// The octets of all messages, in units of 1024 (RFC 9208, 5.1).
    public static let storage = QuotaResource("STORAGE")
    /// Messages (RFC 9208, 5.2).
    public static let message = QuotaResource("MESSAGE")
    /// Mailboxes (RFC 9208, 5.3).
    public static let mailbox = QuotaResource("MAILBOX")

    /// The name.
    public var description: String { name }
}

extension SetQuotaCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SetQuotaCommand {
        let root = try cursor.quotaRoot()
        try cursor.space()
        let limits = try cursor.list(allowsEmpty: true) { cursor throws(SyntaxError) in
            let resource = try cursor.quotaResource()
            try cursor.space()
            return QuotaLimit(resource, try cursor.number64("a limit"))
        }
        return SetQuotaCommand(root: root, limits: limits)
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.astring(root)
        writer.space()
        writer.list(limits) { writer, limit in
            writer.text(limit.resource.name)
            writer.space()
            writer.number(limit.limit)
        }
    }
}

extension ByteCursor {
    /// `SP quota-root-name`
    mutating func quotaRoot() throws(SyntaxError) -> String {
        try space()
        return try astringText("the name of a quota root")
    }

    /// `resource-name`
    mutating func quotaResource() throws(SyntaxError) -> QuotaResource {
        QuotaResource(try atom("a resource"))
    }
}
