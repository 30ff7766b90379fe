import Messaging

/// An address of ours or of others, canonical: lower case, split at the last "@".
struct Address: Sendable, Hashable {
    let localPart: String
    let domain: String

    /// RFC 5321, 4.5.3.1: 64 octets of local part and 255 of domain.
    private static let octetLimit = 320

    /// Nil when the text has no "@" with something behind it, or is longer than an address can be.
    init?(_ text: String) {
        guard text.utf8.count <= Self.octetLimit, !text.contains("\0"), let at = text.lastIndex(of: "@") else {
            return nil
        }
        localPart = text[..<at].lowercased()
        domain = text[text.index(after: at)...].lowercased()
        if domain.isEmpty { return nil }
    }

    private init(localPart: String, domain: String) {
        self.localPart = localPart
        self.domain = domain
    }

    /// The address as it is kept.
    var text: String { "\(localPart)@\(domain)" }

    /// The address without its detail: "user+detail" leads to "user" when it leads nowhere else (RFC 5233). Nil when
    /// there is no detail.
    var withoutDetail: Address? {
        guard let plus = localPart.firstIndex(of: "+"), plus != localPart.startIndex else { return nil }
        return Address(localPart: String(localPart[..<plus]), domain: domain)
    }

    /// The name under which an alias catches all of the domain.
    var catchAll: String { "@\(domain)" }

    /// Whether it is that name itself.
    var isCatchAll: Bool { localPart.isEmpty }
}

extension Address {
    /// An address that an operator gave; a catch-all only where one may stand.
    static func checked(_ text: String, allowingCatchAll: Bool = false) throws -> Address {
        guard let address = Address(text), allowingCatchAll || !address.isCatchAll,
            !address.text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F })
        else { throw MessagingError(.failed, "\"\(text)\" is not an address") }
        return address
    }

    /// A domain that an operator gave.
    static func checkedDomain(_ text: String) throws -> String {
        let name = text.lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isName = labels.allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63
                && label.unicodeScalars.allSatisfy {
                    $0.value >= 0x80 || $0 == "-" || $0.properties.isAlphabetic || ("0"..."9").contains($0)
                }
        }
        guard isName, !name.isEmpty, name.utf8.count <= 255 else {
            throw MessagingError(.failed, "\"\(text)\" is not a domain name")
        }
        return name
    }
}
