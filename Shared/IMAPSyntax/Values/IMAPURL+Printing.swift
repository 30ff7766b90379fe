import NIOCore

extension IMAPURL {
    /// The URL as it is written: what need not stand as it is, is percent-encoded.
    public var text: String {
        switch form {
        case .absolute(let server): "imap://" + server.text + "/" + target.text
        case .networkPath(let server): "//" + server.text + "/" + target.text
        case .absolutePath: "/" + target.text
        case .relativePath: target.text
        }
    }
}

extension IMAPURLServer {
    /// `iserver`
    fileprivate var text: String {
        var text = user.map { percentEncoded($0.utf8, keepsSlash: false) } ?? ""
        if let mechanism {
            text += ";AUTH=" + (mechanism == "*" ? "*" : percentEncoded(mechanism.utf8, keepsSlash: false))
        }
        if !text.isEmpty { text += "@" }
        text += host
        if let port { text += ":\(port)" }
        return text
    }
}

extension IMAPURLTarget {
    /// `icommand`, without the slash that may precede it.
    fileprivate var text: String {
        switch self {
        case .server: ""
        case .messages(let mailbox, let search): mailbox.text + (search.map { "?" + percentEncoded($0) } ?? "")
        case .message(let message): message.text
        }
    }
}

extension IMAPURLMailbox {
    /// `imailbox-ref`. What would be read as a step up or down the path, or as a server, is encoded (RFC 5092, 7 and 7.1).
    fileprivate var text: String {
        let segments = name.value.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
            segment in
            segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8)
                ? String(repeating: "%2E", count: segment.count) : percentEncoded(segment)
        }
        var text = segments.joined(separator: "/")
        if text.hasPrefix("/") { text = "%2F" + text.dropFirst() }
        if let uidValidity { text += ";UIDVALIDITY=\(uidValidity)" }
        return text
    }
}

extension IMAPURLMessage {
    /// `imessagepart [iurlauth]`, or what a relative path has of it.
    fileprivate var text: String {
        var parts: [String] = []
        if let mailbox { parts.append(mailbox.text) }
        if let uid { parts.append(";UID=\(uid)") }
        if section != .whole {
            var writer = CommandWriter(encoding: .utf8, literals: .nonSynchronizing)
            writer.section(section)
            // The name of a field may have slashes, which make no steps in the path.
            let octets = writer.buffer.readableBytesView.dropFirst().dropLast()
            parts.append(";SECTION=" + percentEncoded(octets, keepsSlash: false))
        }
        if let partial { parts.append(";PARTIAL=\(partial.offset)" + (partial.count.map { ".\($0)" } ?? "")) }
        return parts.joined(separator: "/") + (authorization?.text ?? "")
    }
}

extension IMAPURLAuthorization {
    /// `iurlauth`, or `iurlauth-rump`.
    fileprivate var text: String {
        var text = expiry.map { ";EXPIRE=" + $0.internetText } ?? ""
        text += ";URLAUTH="
        switch access {
        case .submit(let user): text += "submit+" + percentEncoded(user.utf8, keepsSlash: false)
        case .user(let user): text += "user+" + percentEncoded(user.utf8, keepsSlash: false)
        case .authenticatedUser: text += "authuser"
        case .anonymous: text += "anonymous"
        }
        return text + (verifier?.text ?? "")
    }
}

extension IMAPURLVerifier {
    /// `iua-verifier`: what is put behind a URL that asked for it.
    public var text: String { ":" + String(decoding: mechanism.utf8.map(lowercased), as: UTF8.self) + ":" + token }
}

extension DateTime {
    /// `date-time` of RFC 3339, 5.6.
    var internetText: String {
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        var text = "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
        text += "T\(digits(hour, 2)):\(digits(minute, 2)):\(digits(second, 2))"
        guard zoneMinutes != 0 else { return text + "Z" }
        let zone = abs(zoneMinutes)
        return text + (zoneMinutes < 0 ? "-" : "+") + "\(digits(zone / 60, 2)):\(digits(zone % 60, 2))"
    }
}

/// Octets in a URL, each one encoded that might mean something else there.
private func percentEncoded(_ octets: some Sequence<UInt8>, keepsSlash: Bool = true) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for octet in octets {
        if IMAPURLOctets.unreserved(octet) || (keepsSlash && octet == UInt8(ascii: "/")) {
            encoded.append(octet)
        } else {
            encoded += [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 0x0F)]]
        }
    }
    return String(decoding: encoded, as: UTF8.self)
}

/// The classes of octets in a URL (RFC 5092, 11; RFC 3986, 2).
enum IMAPURLOctets {
    /// `unreserved`
    static func unreserved(_ octet: UInt8) -> Bool {
        lowercased(octet) &- 0x61 < 26 || octet &- 0x30 < 10 || "-._~".utf8.contains(octet)
    }

    /// `achar`, but for percent-encoded octets
    static func achar(_ octet: UInt8) -> Bool { unreserved(octet) || "!$'()*+,&=".utf8.contains(octet) }

    /// `bchar`, but for percent-encoded octets
    static func bchar(_ octet: UInt8) -> Bool { achar(octet) || ":@/".utf8.contains(octet) }
}
