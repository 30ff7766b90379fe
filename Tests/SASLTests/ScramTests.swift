import Cryptography
import Testing

@testable import SASL

private func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

private func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }

private let salt = Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ==") ?? []

private let exporter = ChannelBinding(type: "tls-exporter", octets: Array(repeating: 7, count: 32))

/// A server that knows one password, driven to its next action that is not a search.
private struct Server {
    var exchange: ServerExchange
    let verifier: ScramVerifier

    init(
        _ mechanism: Mechanism = .scramSHA256, bindings: [ChannelBinding] = [],
        nonce: String = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", password: String = "pencil"
    ) throws {
        exchange = ServerExchange(mechanism, in: .init(channelBindings: bindings)) { nonce }
        verifier = try ScramVerifier(password: password, salt: salt, iterations: 4096)
    }

    mutating func received(_ message: [UInt8]) -> ServerExchange.Action {
        let action = exchange.received(message)
        if case .findVerifier = action { return exchange.found(verifier) }
        return action
    }

    mutating func received(_ message: String) -> ServerExchange.Action { received(octets(message)) }
}

struct ScramTests {
    /// RFC 7677, 3: the whole conversation, from both sides.
    @Test func theStandardsExample() throws {
        var client = ClientExchange(
            .scramSHA256, claim: Claim(name: "user"), password: "pencil", offered: [], channelBindings: []
        ) { "rOprNGfwEbeRWgbNEkqO" }
        var server = try Server()
        let first = try client.initialResponse() ?? []
        #expect(text(first) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        guard case .challenge(let serverFirst) = server.received(first) else {
            Issue.record("no challenge")
            return
        }
        #expect(
            text(serverFirst)
                == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        let final = try client.challenged(serverFirst)
        #expect(
            text(final)
                == "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        let expected = octets("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        #expect(server.received(final) == .proven(Claim(name: "user"), additionalData: expected))
        try client.succeeded(additionalData: expected)
    }

    private func converse(
        _ mechanism: Mechanism, clientBindings: [ChannelBinding], serverBindings: [ChannelBinding],
        offered: [Mechanism], password: String = "pencil", claim: Claim = Claim(name: "user")
    ) throws -> ServerExchange.Action {
        var client = ClientExchange(
            mechanism, claim: claim, password: password, offered: offered, channelBindings: clientBindings)
        var server = try Server(mechanism, bindings: serverBindings)
        let first = server.received(try client.initialResponse() ?? [])
        guard case .challenge(let challenge) = first else { return first }
        // Any replica goes on.
        guard let encoded = server.exchange.encoded, let decoded = ServerExchange(encoded: encoded) else {
            Issue.record("the state does not travel")
            return first
        }
        server.exchange = decoded
        let last = server.received(try client.challenged(challenge))
        if case .proven(_, let additionalData) = last { try client.succeeded(additionalData: additionalData) }
        return last
    }

    private func isProven(_ action: ServerExchange.Action) -> Bool {
        if case .proven = action { true } else { false }
    }

    @Test func theRightPasswordIsProvenAndTheWrongOneIsNot() throws {
        #expect(
            isProven(try converse(.scramSHA256, clientBindings: [], serverBindings: [], offered: [.scramSHA256])))
        #expect(
            try converse(.scramSHA256, clientBindings: [], serverBindings: [], offered: [], password: "Pencil")
                == .failed(.credentials))
    }

    /// RFC 5802, 6.
    @Test func aBoundExchangeSucceedsOnlyOnTheSameChannel() throws {
        let plus = Mechanism.scramSHA256Plus
        let other = ChannelBinding(type: "tls-exporter", octets: Array(repeating: 8, count: 32))
        let endPoint = ChannelBinding(type: "tls-server-end-point", octets: [1])
        #expect(
            isProven(try converse(plus, clientBindings: [exporter], serverBindings: [endPoint, exporter], offered: [])))
        // Somebody in the middle has another channel to each side.
        #expect(
            try converse(plus, clientBindings: [exporter], serverBindings: [other], offered: [])
                == .failed(.credentials))
        #expect(
            try converse(plus, clientBindings: [endPoint], serverBindings: [exporter], offered: [])
                == .failed(.malformed("unsupported channel binding type")))
    }

    @Test func whoTakesTheBoundMechanismOutOfTheListIsNoticed() throws {
        // The client could, and was not offered it: `y`.
        let stripped = try converse(
            .scramSHA256, clientBindings: [exporter], serverBindings: [exporter], offered: [.scramSHA256])
        #expect(stripped == .failed(.credentials))
        // A server that really has none accepts `y`.
        #expect(
            isProven(
                try converse(.scramSHA256, clientBindings: [exporter], serverBindings: [], offered: [.scramSHA256])))
        // A client that chose not to bind, or cannot, says `n`.
        #expect(
            isProven(
                try converse(
                    .scramSHA256, clientBindings: [exporter], serverBindings: [exporter], offered: Mechanism.allCases)))
    }

    @Test(arguments: [(Mechanism.scramSHA256, "p=tls-exporter"), (.scramSHA256Plus, "n"), (.scramSHA256Plus, "y")])
    func theFlagBelongsToTheMechanism(mechanism: Mechanism, flag: String) throws {
        var server = try Server(mechanism, bindings: [exporter])
        guard case .failed(.malformed) = server.received("\(flag),,n=user,r=abc") else {
            Issue.record("accepted")
            return
        }
    }

    @Test(arguments: [
        "", "n", "n,", "n,,", "n,,n=user", "n,,n=user,", "n,,n=user,r=", "n,,r=abc,n=user", "n,,n=,r=abc",
        "x,,n=user,r=abc", "p=,,n=user,r=abc", "n,b=x,n=user,r=abc", "n,a=,n=user,r=abc", "n,,m=ext,n=user,r=abc",
        "n,,n=us=er,r=abc", "n,,n=user=2,r=abc", "n,,n=user,r=a b", "n,,n=user,r=a\u{E9}", "n,,n=us\0er,r=abc",
    ])
    func aFirstMessageOfBrokenSyntaxIsRefused(message: String) throws {
        var server = try Server()
        guard case .failed(.malformed) = server.received(message) else {
            Issue.record("accepted")
            return
        }
        // And nothing goes on after it.
        guard case .failed(.malformed) = server.received("n,,n=user,r=abc") else {
            Issue.record("went on")
            return
        }
        #expect(server.exchange.encoded == nil)
    }

    @Test func octetsThatAreNotUTF8AreRefused() throws {
        var server = try Server()
        guard case .failed(.malformed) = server.received(octets("n,,n=") + [0xFF] + octets(",r=abc")) else {
            Issue.record("accepted")
            return
        }
    }

    @Test(arguments: [
        ("c=biws,r=abcX", ""), ("c=biws", ",p=AAAA"),
        ("c=bi ws,r=abcX", ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
        ("r=abcX,c=biws", ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ("c=biws,r=abcX", ",p=AAAA"),
        ("c=biws,r=abcX", ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=,x=y"),
    ])
    func aFinalMessageOfBrokenSyntaxIsRefused(start: String, end: String) throws {
        var server = try Server(nonce: "X")
        guard case .challenge = server.received("n,,n=user,r=abc"),
            case .failed(.malformed) = server.received(start + end)
        else {
            Issue.record("accepted")
            return
        }
    }

    @Test func anotherNonceOrBindingIsRefusedAlthoughItIsSignedRightly() throws {
        for (binding, nonce) in [("biws", "abcY"), ("eSws", "abcX"), ("biws", "abc")] {
            var server = try Server(nonce: "X")
            guard case .challenge(let serverFirst) = server.received("n,,n=user,r=abc") else { return }
            let withoutProof = "c=\(binding),r=\(nonce)"
            let keys = ScramKeys(prepared: octets("pencil"), salt: salt, iterations: 4096)
            let signature = HMACSHA256.authenticate(
                octets("n=user,r=abc,\(text(serverFirst)),\(withoutProof)"), key: SHA256.hash(keys.clientKey))
            let proof = Base64.encode(exclusiveOr(keys.clientKey, signature))
            #expect(server.received("\(withoutProof),p=\(proof)") == .failed(.credentials))
        }
    }

    @Test func commasAndEqualsSignsInNamesAreEscaped() throws {
        let claim = Claim(name: "a,b=c", authorization: "x=,y")
        let action = try converse(.scramSHA256, clientBindings: [], serverBindings: [], offered: [], claim: claim)
        guard case .proven(let proven, _) = action else {
            Issue.record("not proven")
            return
        }
        #expect(proven == claim)
    }

    @Test func aClientDoesNotBelieveAServerWithoutTheVerifier() throws {
        for answer in ["v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "e=other-error", "", "v="] {
            var client = ClientExchange(.scramSHA256, claim: Claim(name: "user"), password: "pencil")
            var server = try Server()
            guard case .challenge(let challenge) = server.received(try client.initialResponse() ?? []) else { return }
            _ = try client.challenged(challenge)
            #expect(throws: ExchangeFailure.self) { try client.succeeded(additionalData: octets(answer)) }
        }
        var early = ClientExchange(.scramSHA256, claim: Claim(name: "user"), password: "pencil")
        _ = try early.initialResponse()
        #expect(throws: ExchangeFailure.serverNotProven) { try early.succeeded(additionalData: nil) }
    }

    @Test(arguments: ["r=other,s=AAAA,i=4096", "r=abc,s=AAAA,i=4096", "r=abcX,s=AAAA,i=0", "r=abcX,s=AAAA,i=99999999"])
    func aClientRefusesABadChallenge(challenge: String) throws {
        var client = ClientExchange(
            .scramSHA256, claim: Claim(name: "user"), password: "pencil", offered: [], channelBindings: []
        ) { "abc" }
        _ = try client.initialResponse()
        #expect(throws: ExchangeFailure.self) { try client.challenged(octets(challenge)) }
    }
}

struct ScramVerifierTests {
    @Test func oneVerifierServesEveryMechanism() throws {
        let verifier = try ScramVerifier(password: "I\u{AD}X pass\u{E9}", iterations: 100)
        #expect(verifier.matches(password: "IX passe\u{301}"))
        #expect(!verifier.matches(password: "IX passe"))
        #expect(!verifier.matches(password: "IX pass\u{E9}\u{7}"))
        #expect(verifier.salt.count == 16)
        #expect(ScramVerifier(verifier.description) == verifier)
    }

    @Test(arguments: [
        "", "SCRAM-SHA-256", "SCRAM-SHA-1$1:AA==$AA==:AA==", "SCRAM-SHA-256$0:AA==$AA==:AA==",
        "SCRAM-SHA-256$4096:AA==$AA==:AA==", "SCRAM-SHA-256$x:AA==$AA==:AA==",
    ])
    func whatIsNoVerifierIsNotRead(text: String) {
        #expect(ScramVerifier(text) == nil)
    }
}
