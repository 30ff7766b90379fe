/// What somebody may do with a mailbox (RFC 4314, 2): lower-case letters, and digits that a server defines, each once
/// and in the order in which they were written.
public struct Rights: Hashable, Sendable, CustomStringConvertible {
    /// As they are written; may be empty.
    public let letters: String

    /// Rights as they are written; nil when another character is among them. What comes again is left out.
    public init?(_ text: String) {
        var letters: [UInt8] = []
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                if !letters.contains(octet) { letters.append(octet) }
            default: return nil
            }
        }
        self.letters = String(decoding: letters, as: UTF8.self)
    }

    private init(known letters: String) { self.letters = letters }

    /// None.
    public static let empty = Rights(known: "")

    /// All that RFC 4314 knows, with `c` and `d` for clients of its predecessor (RFC 4314, 2.1 and 2.1.1).
    public static let all = Rights(known: "lrswipkxtecda")

    /// As they are written.
    public var description: String { letters }
}
