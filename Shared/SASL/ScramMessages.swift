import Cryptography

/// The messages of SCRAM as text (RFC 5802, 7).
enum ScramMessages {
    /// What a client says about channel binding (RFC 5802, 6).
    enum BindingFlag: Sendable, Hashable {
        /// `n`: the client cannot.
        case unsupported
        /// `y`: the client can and believes that the server cannot.
        case notOffered
        /// `p=`: this one is used.
        case used(String)
    }

    struct ClientFirst {
        var flag: BindingFlag
        var authorization: String
        var name: String
        var nonce: String
        /// The part before the bare message: it comes again, encoded, in the client's final message.
        var header: String
        /// The part that is signed.
        var bare: String

        init(_ octets: [UInt8]) throws(ExchangeFailure) {
            let text = try ScramMessages.text(octets)
            let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { throw .malformed("no GS2 header") }
            switch parts[0] {
            case "n": flag = .unsupported
            case "y": flag = .notOffered
            default:
                guard parts[0].hasPrefix("p="), parts[0].count > 2 else { throw .malformed("channel binding flag") }
                flag = .used(String(parts[0].dropFirst(2)))
            }
            if parts[1].isEmpty {
                authorization = ""
            } else {
                authorization = try ScramMessages.saslname(try ScramMessages.value("a", parts[1]))
            }
            header = "\(parts[0]),\(parts[1]),"
            bare = String(parts[2])

            // Extensions that are not mandatory follow the nonce and are ignored (RFC 5802, 5.1).
            let attributes = parts[2].split(separator: ",", omittingEmptySubsequences: false)
            guard let first = attributes.first, attributes.count >= 2 else { throw .malformed("name or nonce") }
            guard !first.hasPrefix("m=") else { throw .malformed("unknown mandatory extension") }
            name = try ScramMessages.saslname(try ScramMessages.value("n", first))
            nonce = try ScramMessages.nonce(try ScramMessages.value("r", attributes[1]))
        }
    }

    struct ClientFinal {
        /// The GS2 header of the first message and the binding data, if any.
        var channelBinding: [UInt8]
        var nonce: String
        var proof: [UInt8]
        var withoutProof: String

        init(_ octets: [UInt8]) throws(ExchangeFailure) {
            let text = try ScramMessages.text(octets)
            let attributes = text.split(separator: ",", omittingEmptySubsequences: false)
            guard attributes.count >= 3, let last = attributes.last else { throw .malformed("client-final-message") }
            channelBinding = try ScramMessages.base64(try ScramMessages.value("c", attributes[0]))
            nonce = try ScramMessages.nonce(try ScramMessages.value("r", attributes[1]))
            proof = try ScramMessages.base64(try ScramMessages.value("p", last))
            guard proof.count == SHA256.octetCount else { throw .malformed("length of the proof") }
            withoutProof = attributes.dropLast().joined(separator: ",")
        }
    }

    struct ServerFirst {
        var nonce: String
        var salt: [UInt8]
        var iterations: Int

        init(_ octets: [UInt8]) throws(ExchangeFailure) {
            let text = try ScramMessages.text(octets)
            let attributes = text.split(separator: ",", omittingEmptySubsequences: false)
            guard attributes.count >= 3 else { throw .malformed("server-first-message") }
            nonce = try ScramMessages.nonce(try ScramMessages.value("r", attributes[0]))
            salt = try ScramMessages.base64(try ScramMessages.value("s", attributes[1]))
            guard let iterations = Int(try ScramMessages.value("i", attributes[2])), iterations > 0 else {
                throw .malformed("iterations")
            }
            self.iterations = iterations
        }
    }

    /// RFC 5802, 5.1: `,` and `=` do not stand for themselves.
    static func escaped(_ name: String) -> String {
        var text = ""
        for character in name.unicodeScalars {
            switch character {
            case ",": text += "=2C"
            case "=": text += "=3D"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }

    private static func saslname(_ text: Substring) throws(ExchangeFailure) -> String {
        var name = String.UnicodeScalarView()
        var rest = text.unicodeScalars
        while let character = rest.popFirst() {
            guard character == "=" else {
                name.append(character)
                continue
            }
            let code = String(rest.prefix(2))
            switch code {
            case "2C": name.append(",")
            case "3D": name.append("=")
            default: throw .malformed("= in a name")
            }
            rest.removeFirst(2)
        }
        guard !name.isEmpty else { throw .malformed("empty name") }
        return String(name)
    }

    private static func text(_ octets: [UInt8]) throws(ExchangeFailure) -> String {
        guard let text = String(validating: octets, as: UTF8.self), !octets.contains(0) else {
            throw .malformed("not UTF-8")
        }
        return text
    }

    static func value(_ attribute: Character, _ text: Substring) throws(ExchangeFailure) -> Substring {
        guard text.first == attribute, text.dropFirst().first == "=" else {
            throw .malformed("expected attribute \(attribute)")
        }
        return text.dropFirst(2)
    }

    private static func nonce(_ text: Substring) throws(ExchangeFailure) -> String {
        guard !text.isEmpty, text.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: ",") }) else {
            throw .malformed("nonce")
        }
        return String(text)
    }

    static func base64(_ text: Substring) throws(ExchangeFailure) -> [UInt8] {
        guard let octets = Base64.decode(String(text)) else { throw .malformed("base64") }
        return octets
    }
}
