/// An exchange between two messages, as octets. They hold the verifier's keys: whoever sends them anywhere seals them.
extension ServerExchange {
    /// Nil while the owner still has to hand in a verifier, and when the exchange is over.
    public var encoded: [UInt8]? {
        var fields = FieldWriter()
        fields.write(mechanism.rawValue)
        switch state {
        case .awaitingVerifier, .over:
            return nil
        case .awaitingFirst:
            fields.write("first")
            for binding in environment.channelBindings {
                fields.write(binding.type)
                fields.write(binding.octets)
            }
        case .awaitingLoginName:
            fields.write("login-name")
        case .awaitingLoginPassword(let name):
            fields.write("login-password")
            fields.write(name)
        case .awaitingProof(let scram, let verifier):
            fields.write("proof")
            fields.write(scram.claim.name)
            fields.write(scram.claim.authorization)
            fields.write(scram.clientFirstBare)
            fields.write(scram.serverFirst)
            fields.write(scram.nonce)
            fields.write(scram.channelBinding)
            fields.write(verifier.description)
        }
        return fields.octets
    }

    /// Goes on where `encoded` was taken; nil if it was not.
    public init?(encoded: [UInt8]) {
        var fields = FieldReader(encoded)
        guard let mechanism = fields.text().flatMap(Mechanism.init), let stage = fields.text() else { return nil }
        var environment = Environment()
        let state: State
        switch stage {
        case "first":
            while !fields.isAtEnd {
                guard let type = fields.text(), let octets = fields.next() else { return nil }
                environment.channelBindings.append(ChannelBinding(type: type, octets: octets))
            }
            state = .awaitingFirst
        case "login-name":
            state = .awaitingLoginName
        case "login-password":
            guard let name = fields.text() else { return nil }
            state = .awaitingLoginPassword(name: name)
        case "proof":
            guard let name = fields.text(), let authorization = fields.text(), let bare = fields.text(),
                let serverFirst = fields.text(), let nonce = fields.text(), let channelBinding = fields.next(),
                let verifier = fields.text().flatMap(ScramVerifier.init)
            else { return nil }
            state = .awaitingProof(
                Scram(
                    claim: Claim(name: name, authorization: authorization), clientFirstBare: bare,
                    serverFirst: serverFirst, nonce: nonce, channelBinding: channelBinding), verifier)
        default:
            return nil
        }
        guard fields.isAtEnd else { return nil }
        self.init(mechanism, in: environment)
        self.state = state
    }
}

/// Fields of octets, each after its length in four octets.
private struct FieldWriter {
    private(set) var octets: [UInt8] = []

    mutating func write(_ field: [UInt8]) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: field.count).bigEndian) { octets.append(contentsOf: $0) }
        octets.append(contentsOf: field)
    }

    mutating func write(_ text: String) {
        write(Array(text.utf8))
    }
}

private struct FieldReader {
    private var rest: ArraySlice<UInt8>

    init(_ octets: [UInt8]) {
        rest = octets[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func next() -> [UInt8]? {
        guard rest.count >= 4 else { return nil }
        let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func text() -> String? {
        next().flatMap { String(validating: $0, as: UTF8.self) }
    }
}
