import Contracts
import Messaging

/// Flags as the database keeps them: system flags as bits, keywords by name until a mailbox gives them bits.
struct Flags: Sendable, Equatable {
    /// The system flags (RFC 9051, 2.3.2).
    var bits: Int64 = 0
    /// Keywords as given, each once.
    var keywords: [String] = []

    /// So many keywords fit into the bits of a mailbox.
    static let keywordLimit = 56
    /// The first keyword's bit.
    static let firstKeywordBit = 8

    static let seen = Int64(SystemFlag.seen.rawValue)
    static let deleted = Int64(SystemFlag.deleted.rawValue)
    static let draft = Int64(SystemFlag.draft.rawValue)

    private static let systemFlags: [String: SystemFlag] = [
        "\\seen": .seen, "\\answered": .answered, "\\flagged": .flagged, "\\deleted": .deleted, "\\draft": .draft,
    ]

    /// The flags with these names. `\Recent` and unknown system flags mean nothing here and are left out.
    init(names: [String]) throws {
        for name in names {
            let folded = name.lowercased()
            if name.utf8.first == UInt8(ascii: "\\") {
                if let flag = Self.systemFlags[folded] { bits |= Int64(flag.rawValue) }
            } else {
                guard Self.isKeyword(name) else {
                    throw MessagingError(.malformed, "a keyword is an atom of at most 128 octets (RFC 9051, 9)")
                }
                if !keywords.contains(where: { $0.lowercased() == folded }) { keywords.append(name) }
            }
        }
    }

    /// The keywords with spaces between, as the database's functions take them.
    var keywordList: String { keywords.joined(separator: " ") }

    /// An atom (RFC 9051, 9).
    private static func isKeyword(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 128
            && name.utf8.allSatisfy { octet in
                octet > 0x20 && octet < 0x7F && !"(){%*\"\\]".utf8.contains(octet)
            }
    }
}
