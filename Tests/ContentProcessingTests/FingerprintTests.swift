import Contracts
import Cryptography
import Foundation
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("The fingerprint of a delivery") struct FingerprintTests {
    private func fingerprint(
        transid: String = "", greeting: String = "client.example", to forwardPath: String = "b@x.test",
        _ change: (inout AcceptRequest) -> Void = { _ in }
    ) -> Fingerprint {
        var request = AcceptRequest.with {
            $0.reversePath = "a@y.test"
            $0.messageDigest = Data(repeating: 7, count: 32)
            $0.client.greeting = greeting
            $0.transid = transid
        }
        change(&request)
        return Fingerprint(of: request, to: forwardPath)
    }

    @Test("without TRANSID is what it was before there was one, whoever sends it")
    func unchanged() {
        // The kind, and each part behind its length in eight octets.
        var input = Array("delivery".utf8)
        for part in [Array("a@y.test".utf8), Array("b@x.test".utf8), [UInt8](repeating: 7, count: 32)] {
            input += [0, 0, 0, 0, 0, 0, 0, UInt8(part.count)] + part
        }
        #expect(fingerprint().octets == SHA256.hash(input))
        #expect(fingerprint(greeting: "other.example") == fingerprint())
    }

    @Test("with TRANSID depends on it and on the client's name, besides all that it depends on anyway")
    func named() {
        let one = fingerprint(transid: "<1@client.example>")
        #expect(fingerprint(transid: "<1@client.example>") == one)
        let others = [
            fingerprint(), fingerprint(transid: "<2@client.example>"), fingerprint(transid: "<1@CLIENT.example>"),
            fingerprint(transid: "<1@client.example>", greeting: "other.example"),
            fingerprint(transid: "<1@client.example>", to: "c@x.test"),
            fingerprint(transid: "<1@client.example>") { $0.reversePath = "" },
            fingerprint(transid: "<1@client.example>") { $0.messageDigest = Data(repeating: 8, count: 32) },
            // The same octets with another border between the two names.
            fingerprint(transid: "e<1@client.example>", greeting: "client.exampl"),
        ]
        #expect(Set(others + [one]).count == others.count + 1)
    }

    @Test("Two submissions of the same octets with different TRANSIDs are two to storage, one repeated is one")
    func committed() async throws {
        try await ContentFixture.run { fixture async throws in
            for transid in ["<1@c.test>", "<2@c.test>", "<1@c.test>"] {
                _ = try await fixture.accept(sample(), to: [local("b@x.test", 5)]) { $0.transid = transid }
            }
            let prints = await fixture.storage.commits.map { $0.request.dispositions[0].fingerprints }
            try #require(prints.count == 3)
            #expect(prints[0] == prints[2] && prints[0] != prints[1])
        }
    }
}
