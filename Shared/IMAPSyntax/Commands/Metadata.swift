/// GETMETADATA (RFC 5464, 4.2).
public struct GetMetadataCommand: Hashable, Sendable {
    /// Whose annotations; empty for the server's.
    public var mailbox: MailboxName
    /// At least one name.
    public var entries: [MetadataEntry]
    /// Values that are larger are left out; nil when none are.
    public var maxSize: UInt64?
    /// What is below the names and wanted too.
    public var depth: MetadataDepth

    /// The arguments of GETMETADATA.
    public init(mailbox: MailboxName, entries: [MetadataEntry], maxSize: UInt64? = nil, depth: MetadataDepth = .zero) {
        self.mailbox = mailbox
        self.entries = entries
        self.maxSize = maxSize
        self.depth = depth
    }
}

/// How far below a name annotations are wanted (RFC 5464, 4.2.2).
public enum MetadataDepth: String, Hashable, Sendable, CaseIterable {
    case zero = "0"
    /// Those immediately below.
    case one = "1"
    case infinity = "INFINITY"
}

/// SETMETADATA (RFC 5464, 4.3).
public struct SetMetadataCommand: Hashable, Sendable {
    /// Whose annotations; empty for the server's.
    public var mailbox: MailboxName
    /// At least one; without a value it is removed.
    public var values: [MetadataValue]

    /// The arguments of SETMETADATA.
    public init(mailbox: MailboxName, values: [MetadataValue]) {
        self.mailbox = mailbox
        self.values = values
    }
}

extension GetMetadataCommand {
    /// Options stand before the mailbox by the RFC's grammar and behind it in its examples: both are understood.
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> GetMetadataCommand {
        var command = GetMetadataCommand(mailbox: "", entries: [])
        try cursor.space()
        if cursor.isNext(UInt8(ascii: "(")) {
            try command.options(&cursor)
            try cursor.space()
        }
        command.mailbox = try cursor.mailbox()
        try cursor.space()
        if cursor.isNext(UInt8(ascii: "(")), let octet = cursor.peek(1), lowercased(octet) &- 0x61 < 26 {
            try command.options(&cursor)
            try cursor.space()
        }
        command.entries = try cursor.metadataEntries()
        return command
    }

    /// `getmetadata-options`
    private mutating func options(_ cursor: inout ByteCursor) throws(SyntaxError) {
        enum Option {
            case maxSize(UInt64)
            case depth(MetadataDepth)
        }
        let options = try cursor.list { cursor throws(SyntaxError) -> Option in
            let start = cursor.position
            switch try cursor.word("MAXSIZE or DEPTH") {
            case "MAXSIZE":
                try cursor.space()
                return .maxSize(try cursor.number64("a size"))
            case "DEPTH":
                try cursor.space()
                let start = cursor.position
                guard let depth = MetadataDepth(rawValue: try cursor.word("0, 1 or infinity")) else {
                    throw cursor.failure("0, 1 or infinity", at: start)
                }
                return .depth(depth)
            default: throw cursor.failure("MAXSIZE or DEPTH", at: start)
            }
        }
        for option in options {
            switch option {
            case .maxSize(let octets): maxSize = octets
            case .depth(let depth): self.depth = depth
            }
        }
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        if maxSize != nil || depth != .zero {
            writer.text("(")
            if let maxSize {
                writer.text("MAXSIZE ")
                writer.number(maxSize)
            }
            if depth != .zero {
                writer.text(maxSize == nil ? "DEPTH " as StaticString : " DEPTH ")
                writer.text(depth == .one ? "1" as StaticString : "infinity")
            }
            writer.text(") ")
        }
        writer.mailbox(mailbox)
        writer.space()
        writer.metadataEntries(entries)
    }
}

extension SetMetadataCommand {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SetMetadataCommand {
        try cursor.space()
        let mailbox = try cursor.mailbox()
        try cursor.space()
        let values = try cursor.list { cursor throws(SyntaxError) -> MetadataValue in
            let start = cursor.position
            let value = try cursor.metadataValue()
            guard value.entry.isComplete else {
                throw cursor.failure("an entry of two components, or of four below vendor", at: start)
            }
            return value
        }
        return SetMetadataCommand(mailbox: mailbox, values: values)
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.mailbox(mailbox)
        writer.space()
        writer.list(values) { $0.metadataValue($1) }
    }
}
