/// A pattern of LIST or LSUB in UTF-8: `*` matches anything, `%` anything but the hierarchy delimiter
/// (RFC 9051, 6.3.9).
public struct MailboxPattern: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The pattern in UTF-8.
    public let value: String

    /// A pattern in UTF-8.
    public init(_ value: String) { self.value = value }

    /// A pattern written in the program.
    public init(stringLiteral value: String) { self.init(value) }

    /// The pattern.
    public var description: String { value }

    /// The pattern that a reference and this one make together (RFC 9051, 6.3.9: the reference is put before).
    public func prefixed(by reference: String) -> MailboxPattern { MailboxPattern(reference + value) }

    /// Whether a name matches. The time is the product of the two lengths at worst; there is no backtracking.
    public func matches(_ name: MailboxName, delimiter: Character = "/") -> Bool {
        let pattern = Array(value.utf8)
        guard pattern.contains(where: MailboxPattern.isWildcard) else { return MailboxName(value) == name }
        // INBOX is matched without regard to case (RFC 9051, 5.1).
        let ignoresCase = name.isInbox
        let separator = delimiter.asciiValue ?? UInt8(ascii: "/")
        // reached[i]: the first i octets of the pattern match what has been read of the name.
        var reached = [Bool](repeating: false, count: pattern.count + 1)
        reached[0] = true
        MailboxPattern.passWildcards(of: pattern, &reached)
        for octet in name.value.utf8 {
            var isAlive = false
            reached[pattern.count] = false
            // Downwards, so that each place still tells of the name before this octet when it is looked at.
            for index in pattern.indices.reversed() where reached[index] {
                let expected = pattern[index]
                if MailboxPattern.isWildcard(expected) {
                    reached[index] = expected == UInt8(ascii: "*") || octet != separator
                    isAlive = isAlive || reached[index]
                } else {
                    reached[index] = false
                    if expected == octet || (ignoresCase && lowercased(expected) == lowercased(octet)) {
                        reached[index + 1] = true
                        isAlive = true
                    }
                }
            }
            guard isAlive else { return false }
            MailboxPattern.passWildcards(of: pattern, &reached)
        }
        return reached[pattern.count]
    }

    /// A wildcard may match nothing.
    private static func passWildcards(of pattern: [UInt8], _ reached: inout [Bool]) {
        for index in pattern.indices where reached[index] && isWildcard(pattern[index]) { reached[index + 1] = true }
    }

    private static func isWildcard(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "*") || octet == UInt8(ascii: "%")
    }
}
