/// An identifier that the server gives a mailbox, the content of a message or a thread (RFC 8474, 7): 1 to 255 letters,
/// digits, `_` and `-`. Case matters.
public struct ObjectID: Hashable, Sendable, CustomStringConvertible {
    /// As it is written.
    public let value: String

    /// An identifier as it is written; nil when it is none.
    public init?(_ value: String) {
        guard (1...255).contains(value.utf8.count), value.utf8.allSatisfy(ObjectID.allows) else { return nil }
        self.value = value
    }

    /// An identifier made of a letter and a number, in lower case, so that no two differ by case only and none looks
    /// like a number or NIL (RFC 8474, 8.1). The letter keeps the kinds apart.
    public init(_ kind: Kind, _ number: UInt64) {
        value = kind.rawValue + String(number, radix: 16)
    }

    /// What is identified.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case mailbox = "F"
        case email = "M"
        case thread = "T"
    }

    /// The number that an identifier of this kind was made of; nil when it was made otherwise.
    public func number(of kind: Kind) -> UInt64? {
        guard value.hasPrefix(kind.rawValue), let number = UInt64(value.dropFirst(), radix: 16),
            ObjectID(kind, number) == self
        else { return nil }
        return number
    }

    /// As it is written.
    public var description: String { value }

    static func allows(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension ByteCursor {
    /// `objectid`
    mutating func objectID() throws(SyntaxError) -> ObjectID {
        let start = position
        while let octet = peek(), ObjectID.allows(octet) { advance() }
        guard let identifier = ObjectID(text(start..<position)) else {
            throw failure("an object identifier of 1 to 255 letters, digits, \"_\" and \"-\"", at: start)
        }
        return identifier
    }

    /// `"(" objectid ")"`
    mutating func listedObjectID() throws(SyntaxError) -> ObjectID {
        try openParenthesis()
        let identifier = try objectID()
        try closeParenthesis()
        return identifier
    }
}

extension SyntaxWriter {
    /// `"(" objectid ")"`
    mutating func listedObjectID(_ identifier: ObjectID) {
        octet(UInt8(ascii: "("))
        text(identifier.value)
        octet(UInt8(ascii: ")"))
    }
}

extension ResponsePrinter {
    /// `EMAILID (M6d99ac3275bb4e)` (RFC 8474, 5.3)
    public mutating func fetchEmailID(_ identifier: ObjectID) {
        item("EMAILID ")
        listedObjectID(identifier)
    }

    /// `THREADID (T64b478a75b7ea9)`, or NIL when it is not known which messages belong together (RFC 8474, 5.3).
    public mutating func fetchThreadID(_ identifier: ObjectID?) {
        item("THREADID ")
        if let identifier { listedObjectID(identifier) } else { text("NIL") }
    }
}
