/// The value of TRANSID= (RFC 1845, 2): a client's own name for a transaction, by which it finds it again on another
/// connection. Together with the name that the client greets with, it is unique; it is compared octet by octet.
public struct TransID: Sendable, Hashable, CustomStringConvertible {
    /// `<local@domain>`, with its brackets; ASCII.
    public let description: String

    /// With its brackets so long at most.
    public static let octetLimit = 80

    /// Takes `<local@domain>`; nil when it does not follow the grammar or is too long.
    public init?(_ text: String) {
        guard Self.isValid(text.utf8) else { return nil }
        description = text
    }

    init?(_ value: Slice<UnsafeRawBufferPointer>) {
        guard Self.isValid(value) else { return nil }
        description = value.text
    }

    /// Both sides of the one `@` are atoms with dots between them.
    private static func isValid(_ value: some BidirectionalCollection<UInt8>) -> Bool {
        guard value.count <= octetLimit, value.first == Octet.less, value.last == Octet.greater else { return false }
        let parts = value.dropFirst().dropLast().split(separator: Octet.at, omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { token in
                token.split(separator: Octet.dot, omittingEmptySubsequences: false).allSatisfy { atom in
                    !atom.isEmpty && atom.allSatisfy(isAtomText)
                }
            }
    }

    /// ASCII without blanks, controls, dots and the *tspecials* of RFC 2045, 5.1.
    private static func isAtomText(_ octet: UInt8) -> Bool {
        guard octet > Octet.space, octet < 0x7F else { return false }
        switch octet {
        case UInt8(ascii: "("), UInt8(ascii: ")"), Octet.less, Octet.greater, Octet.at, Octet.comma,
            UInt8(ascii: ";"), Octet.colon, Octet.backslash, Octet.quote, UInt8(ascii: "/"), Octet.openBracket,
            Octet.closeBracket, UInt8(ascii: "?"), Octet.equals, Octet.dot:
            return false
        default:
            return true
        }
    }
}

extension ExtensionList {
    /// The keyword by which a server announces that it goes on with transactions that were cut off (RFC 1845, 2).
    public static let checkpoint = "CHECKPOINT"

    /// RFC 1845: MAIL may have TRANSID.
    public var offersCheckpoint: Bool { self[Self.checkpoint] != nil }
}

extension Reply {
    /// The answer to MAIL whose transaction goes on (RFC 1845, 3): so many octets of the message are here already, counted
    /// without the dots that DATA adds. Of what follows, DATA or BDAT brings the rest.
    public static func restart(at offset: Int) -> Reply {
        Reply(code: 355, lines: ["\(offset) is the transaction offset"])
    }

    /// The offset of a 355, in octets from 0; nil when this is no such reply, or one without a number.
    public var restartOffset: Int? {
        guard code == 355, let line = lines.first?.utf8 else { return nil }
        let digits = line.prefix { $0.isDigit }
        // What follows the number is separated from it by white space (RFC 1845, 3).
        let next = line.dropFirst(digits.count).first
        guard next == nil || next == Octet.space || next == Octet.tab else { return nil }
        return Int(Substring(digits))
    }
}
