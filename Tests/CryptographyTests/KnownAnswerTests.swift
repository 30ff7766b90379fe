import Cryptography
import Testing

private func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Vectors that the standards give.
struct KnownAnswerTests {
    /// FIPS 180-2, appendix B.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256(text: String, digest: String) {
        #expect(Hex.encode(SHA256.hash(octets(text))) == digest)
    }

    @Test func sha256OfAMillionOctetsInUnevenPieces() {
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        var digest = SHA256()
        var start = 0
        var size = 1
        while start < text.count {
            let end = min(start + size, text.count)
            text[start..<end].withUnsafeBytes { digest.update($0) }
            start = end
            size = size * 3 % 4099 + 1
        }
        #expect(Hex.encode(digest.finish()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func aCopyGoesItsOwnWayAndAFinishedDigestIsNew() {
        var first = SHA256()
        first.update(octets("ab"))
        var second = first
        second.update(octets("c"))
        first.update(octets("x"))
        #expect(second.finish() == SHA256.hash(octets("abc")))
        #expect(first.finish() == SHA256.hash(octets("abx")))
        first.update(octets("abc").span.bytes)
        #expect(first.finish() == SHA256.hash(octets("abc")))
    }

    /// RFC 4231, 4.2, 4.3 and 4.7.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            octets("Jefe"), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func hmac(key: [UInt8], text: String, code: String) {
        #expect(Hex.encode(HMACSHA256.authenticate(octets(text), key: key)) == code)
    }

    /// RFC 7914, 11.
    @Test(arguments: [
        (
            "passwd", "salt", 1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                + "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
        ),
        (
            "Password", "NaCl", 80000,
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
                + "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"
        ),
    ])
    func pbkdf2(password: String, salt: String, iterations: Int, derived: String) {
        let octetCount = 64
        let key = PBKDF2.sha256(
            password: octets(password), salt: octets(salt), iterations: iterations, count: octetCount)
        #expect(Hex.encode(key) == derived)
        #expect(key.count == octetCount)
    }

    /// RFC 4648, 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64(text: String, encoded: String) {
        #expect(Base64.encode(octets(text)) == encoded)
        #expect(Base64.decode(encoded) == octets(text))
    }

    /// RFC 4648, 3.1 to 3.5.
    @Test(arguments: [
        "Zg", "Zg=", "Zg===", "=Zg=", "Zm9v=", "Zm9vZg==Zm9v", "Zg==\n", "Z g=", "Zh==", "Zm9=", "Zm-_", "====", "Z===",
        "Zm9vZm9vYg==YmFy",
    ])
    func onlyTheOneEncodingIsBase64(encoded: String) {
        #expect(Base64.decode(encoded) == nil)
    }

    @Test func hexadecimal() {
        #expect(Hex.encode([0x00, 0x9F, 0xFF]) == "009fff")
        #expect(Hex.decode("009FfF") == [0x00, 0x9F, 0xFF])
        for text in ["0", "0g", "0x", " 00"] { #expect(Hex.decode(text) == nil) }
    }
}

/// Seeded, so that a failure can be repeated.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func octets(upTo limit: Int) -> [UInt8] {
        (0..<Int.random(in: 0...limit, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}

struct PropertyTests {
    @Test func whatIsEncodedDecodes() {
        var generator = Generator(state: 1)
        for _ in 0..<2000 {
            let octets = generator.octets(upTo: 100)
            #expect(Base64.decode(Base64.encodedOctets(octets)) == octets)
            #expect(Hex.decode(Hex.encode(octets)) == octets)
        }
    }

    @Test func whatIsDecodedWasEncodedSo() {
        var generator = Generator(state: 2)
        let alphabet = Array("ABZaz09+/=".utf8)
        for _ in 0..<20000 {
            let text = (0..<4 * Int.random(in: 1...3, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            if let decoded = Base64.decode(text) { #expect(Base64.encodedOctets(decoded) == text) }
        }
    }

    @Test func equalityOfOctets() {
        #expect(constantTimeEqual([], []))
        #expect(constantTimeEqual([1, 2], [1, 2]))
        #expect(!constantTimeEqual([1, 2], [1, 3]))
        #expect(!constantTimeEqual([1, 2], [1, 2, 3]))
    }

    @Test func randomOctetsDiffer() {
        #expect(SecureRandom.octets(32).count == 32)
        #expect(SecureRandom.octets(32) != SecureRandom.octets(32))
        #expect(SecureRandom.octets(0).isEmpty)
    }
}

struct SealedTokenTests {
    private let token = SealedToken(secret: Array("secret".utf8), purpose: "test")

    @Test func whatIsSealedOpensUntilItExpires() throws {
        var generator = Generator(state: 3)
        for _ in 0..<200 {
            let octets = generator.octets(upTo: 300)
            let sealed = token.seal(octets, associated: [1, 2], expiry: 1000)
            #expect(sealed.count == octets.count + SealedToken.overhead)
            #expect(try token.open(sealed, associated: [1, 2], now: 1000) == octets)
            #expect(throws: SealedToken.Failure.expired) { try token.open(sealed, associated: [1, 2], now: 1001) }
        }
    }

    @Test func anyChangeIsAForgery() {
        let sealed = token.seal(Array("state".utf8), associated: [1], expiry: 1000)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: SealedToken.Failure.forged) { try token.open(changed, associated: [1], now: 0) }
            #expect(throws: SealedToken.Failure.forged) {
                try token.open(Array(sealed[..<index]), associated: [1], now: 0)
            }
        }
        #expect(throws: SealedToken.Failure.forged) { try token.open(sealed, associated: [2], now: 0) }
        #expect(throws: SealedToken.Failure.forged) { try token.open(sealed + [0], associated: [1], now: 0) }
    }

    @Test func onePurposesTokenIsNoOthers() {
        let sealed = token.seal([1], associated: [], expiry: 1000)
        let other = SealedToken(secret: Array("secret".utf8), purpose: "other")
        #expect(throws: SealedToken.Failure.forged) { try other.open(sealed, associated: [], now: 0) }
        #expect(token.seal([1], associated: [], expiry: 1000) != sealed)
    }
}
