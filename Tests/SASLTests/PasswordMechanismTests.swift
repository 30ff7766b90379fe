import Testing

@testable import SASL

private func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

struct PasswordMechanismTests {
    /// RFC 4616, 4.
    @Test(arguments: [
        ("\0tim\0tanstaaftanstaaf", Claim(name: "tim"), "tanstaaftanstaaf"),
        ("Ursel\0Kurt\0xipj3plmq", Claim(name: "Kurt", authorization: "Ursel"), "xipj3plmq"),
        ("\0I\u{AD}X\0a b", Claim(name: "IX"), "a b"),
    ])
    func plain(message: String, claim: Claim, password: String) throws {
        var exchange = ServerExchange(.plain, in: .init())
        #expect(exchange.received(octets(message)) == .checkPassword(claim, password: password))
        #expect(exchange.encoded == nil)
        // The client sends what it was given; the soft hyphen is only taken out by the server.
        guard !message.unicodeScalars.contains("\u{AD}") else { return }
        var client = ClientExchange(.plain, claim: claim, password: password)
        #expect(try client.initialResponse() == octets(message))
        try client.succeeded(additionalData: nil)
    }

    @Test func plainWithoutInitialResponseWaitsForIt() throws {
        var exchange = ServerExchange(.plain, in: .init())
        #expect(exchange.began() == .challenge([]))
        let encoded = try #require(exchange.encoded)
        var other = try #require(ServerExchange(encoded: encoded))
        #expect(other.received(octets("\0a\0b")) == .checkPassword(Claim(name: "a"), password: "b"))
    }

    @Test(arguments: ["", "\0", "\0a", "\0a\0", "\0\0b", "a\0b", "\0a\0b\0c", "\0a\0b\0"])
    func plainOfBrokenSyntaxIsRefused(message: String) {
        var exchange = ServerExchange(.plain, in: .init())
        guard case .failed(.malformed) = exchange.received(octets(message)) else {
            Issue.record("accepted")
            return
        }
    }

    @Test func namesThatCannotBePreparedAreNobodys() {
        var exchange = ServerExchange(.plain, in: .init())
        #expect(exchange.received(octets("\0a\u{7}\0b")) == .failed(.credentials))
    }

    /// draft-murchison-sasl-login, 2.2.
    @Test func login() throws {
        var exchange = ServerExchange(.login, in: .init())
        var client = ClientExchange(.login, claim: Claim(name: "tim"), password: "secret")
        #expect(try client.initialResponse() == nil)
        #expect(exchange.began() == .challenge(octets("Username:")))
        exchange = try #require(exchange.encoded.flatMap { ServerExchange(encoded: $0) })
        #expect(exchange.received(try client.challenged(octets("Username:"))) == .challenge(octets("Password:")))
        exchange = try #require(exchange.encoded.flatMap { ServerExchange(encoded: $0) })
        #expect(
            exchange.received(try client.challenged(octets("Password:")))
                == .checkPassword(Claim(name: "tim"), password: "secret"))
        try client.succeeded(additionalData: nil)
    }

    @Test func loginWithTheNameAsInitialResponse() {
        var exchange = ServerExchange(.login, in: .init())
        #expect(exchange.received(octets("tim")) == .challenge(octets("Password:")))
    }

    @Test func aMessageBeyondTheLimitIsRefused() {
        for mechanism in Mechanism.allCases {
            var exchange = ServerExchange(mechanism, in: .init())
            let message = [UInt8](repeating: 65, count: ServerExchange.messageLimit + 1)
            #expect(exchange.received(message) == .failed(.malformed("message too long")))
        }
    }

    @Test func whatIsOfferedDependsOnTheConnection() {
        #expect(Mechanism.offered(overTLS: false, hasChannelBinding: false) == [.scramSHA256])
        #expect(Mechanism.offered(overTLS: true, hasChannelBinding: false) == [.scramSHA256, .plain, .login])
        #expect(Mechanism.offered(overTLS: true, hasChannelBinding: true) == Mechanism.allCases)
    }

    /// Whatever a stranger sends, the machine answers.
    @Test func randomMessagesNeverTrap() {
        var generator = Generator(state: 5)
        let pieces = ["n", "y", "p=", ",", "a=", "n=", "r=", "c=", "=2C", "=", "\0", "biws", "tls-exporter", "é", "x"]
        for _ in 0..<5000 {
            let mechanism = Mechanism.allCases.randomElement(using: &generator) ?? .plain
            var exchange = ServerExchange(mechanism, in: .init())
            for _ in 0..<3 {
                var message: [UInt8] = []
                for _ in 0..<Int.random(in: 0...10, using: &generator) {
                    message += octets(pieces.randomElement(using: &generator) ?? "")
                }
                if case .findVerifier = exchange.received(message) {
                    _ = exchange.found(ScramVerifier(prepared: [1], salt: [2], iterations: 1))
                }
                if let encoded = exchange.encoded { #expect(ServerExchange(encoded: encoded) == exchange) }
            }
            let noise = (0..<40).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = ServerExchange(encoded: noise)
        }
    }
}
