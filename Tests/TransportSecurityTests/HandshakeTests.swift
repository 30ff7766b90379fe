import NIOCore
import Testing

@testable import TransportSecurity

@Suite(.timeLimit(.minutes(2)))
struct HandshakeTests {
    @Test(arguments: TLSVersion.allCases)
    func bothSidesAgreeOnTheConnection(version: TLSVersion) async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: certificates.clientContext(version: version))
        let atClient = try await client.handshake()
        let atServer = try await server.handshake()

        #expect(atClient.version == version)
        #expect(atServer.version == version)
        #expect(atClient.cipher == atServer.cipher)
        #expect(!atClient.cipher.isEmpty)
        #expect(atServer.serverName == "mail.example.test")
        #expect(!atServer.resumed)
        #expect(atClient.peerCertificate != nil)
        #expect(atServer.peerCertificate == nil)

        try await client.send("hello")
        #expect(try await server.text(5) == "hello")
        try await server.send("world")
        #expect(try await client.text(5) == "world")
        await client.close()
        await listener.close()
    }

    /// RFC 9266; RFC 5929, 3 and 4.
    @Test(arguments: [
        (TLSVersion.v1_2, ["tls-exporter", "tls-unique", "tls-server-end-point"]),
        (.v1_3, ["tls-exporter", "tls-server-end-point"]),
    ])
    func channelBindingsAreTheSameOnBothSidesAndDifferBetweenConnections(version: TLSVersion, types: [String])
        async throws
    {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let tls = try certificates.clientContext(version: version)
        var seen: [[TLSChannelBinding]] = []
        for _ in 0..<2 {
            let (client, server) = try await listener.pair(tls: tls)
            let atClient = try await client.handshake()
            let atServer = try await server.handshake()
            #expect(atClient.channelBindings == atServer.channelBindings)
            #expect(atClient.channelBindings.map(\.type) == types)
            #expect(atClient.channelBindings[0].octets.count == 32)
            seen.append(atClient.channelBindings)
            // The ticket has certainly arrived when something behind it has.
            try await server.send("x")
            _ = try await client.text(1)
            await client.close()
        }
        for index in types.indices where types[index] != "tls-server-end-point" {
            #expect(seen[0][index].octets != seen[1][index].octets)
        }
        #expect(seen[0].last == seen[1].last)
        await listener.close()
    }

    @Test(arguments: TLSVersion.allCases)
    func aSessionIsResumedEvenAfterTheCertificateChanged(version: TLSVersion) async throws {
        let certificates = try await TestCertificates()
        let context = try certificates.serverContext()
        let listener = try await Listener(tls: context)
        let tls = try certificates.clientContext(version: version)
        for (attempt, expected) in [false, true, true].enumerated() {
            let (client, server) = try await listener.pair(tls: tls)
            #expect(try await client.handshake().resumed == expected, "attempt \(attempt)")
            #expect(try await server.handshake().resumed == expected, "attempt \(attempt)")
            try await server.send("x")
            _ = try await client.text(1)
            await client.close()
            try await certificates.issue("mail", names: ["mail.example.test"])
            try context.reload()
        }
        await listener.close()
    }

    @Test func reloadedCertificatesAreShownToNewConnectionsWhileOldOnesGoOn() async throws {
        let certificates = try await TestCertificates()
        try await certificates.issue("next", names: ["mail.example.test"])
        let context = try certificates.serverContext()
        let listener = try await Listener(tls: context)
        let (first, firstServer) = try await listener.pair(tls: certificates.clientContext())
        let before = try await first.handshake()

        try certificates.replace("mail", by: "next")
        try context.reload()
        let (second, _) = try await listener.pair(tls: certificates.clientContext())
        #expect(try await second.handshake().peerCertificate != before.peerCertificate)

        _ = try await firstServer.handshake()
        try await first.send("still here")
        #expect(try await firstServer.text(10) == "still here")
        await listener.close()
    }

    /// RFC 6066, 3; RFC 9525 for the wildcard.
    @Test(arguments: [
        ("mail.example.test", "mail"), ("other.test", "other"), ("imap.other.test", "other"), ("nobody.test", "mail"),
    ])
    func theServerNameSelectsTheCertificate(name: String, shown: String) async throws {
        let certificates = try await TestCertificates()
        try await certificates.issue("other", names: ["other.test", "*.other.test"], key: "rsa:2048")
        let listener = try await Listener(tls: certificates.serverContext("mail", "other"))
        let insecure = try TLSContext(client: TLSClientConfiguration(trust: .insecure))
        let (client, server) = try await listener.pair(tls: insecure, name: name)
        let expected = try PEMFiles.certificates(in: certificates.path("\(shown).pem"))[0].der
        let atClient = try await client.handshake()
        let atServer = try await server.handshake()
        #expect(atClient.peerCertificate == expected)
        #expect(atServer.serverName == name)
        #expect(atServer.channelBindings == atClient.channelBindings)
        await listener.close()
    }

    /// RFC 7301, 3.2.
    @Test(arguments: [
        (["smtp", "imap"], "imap"), (["imap"], "imap"), (["acme", "h2", "managesieve"], "managesieve"), ([], nil),
    ])
    func theServersPreferenceDecidesTheApplicationProtocol(offered: [String], chosen: String?) async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext(protocols: ["imap", "managesieve"]))
        let (client, server) = try await listener.pair(tls: certificates.clientContext(protocols: offered))
        #expect(try await client.handshake().applicationProtocol == chosen)
        #expect(try await server.handshake().applicationProtocol == chosen)
        await listener.close()
    }

    @Test func aClientOfAnotherProtocolIsRefused() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext(protocols: ["imap"]))
        let (client, server) = try await listener.pair(tls: certificates.clientContext(protocols: ["http/1.1"]))
        #expect(await client.next() == .failed("handshake failed"))
        #expect(await server.next() == .failed("handshake failed"))
        await listener.close()
    }

    @Test(arguments: [("wrong.test", true), ("mail.example.test", false)])
    func aClientRefusesACertificateThatDoesNotProveTheName(name: String, trusted: Bool) async throws {
        let certificates = try await TestCertificates()
        let other = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let tls = try (trusted ? certificates : other).clientContext()
        let (client, server) = try await listener.pair(tls: tls, name: name)
        #expect(await client.next() == .failed("handshake failed"))
        #expect(await client.next() == .inactive)
        // In TLS 1.3 the server hears of it by an alert.
        _ = await server.remaining()
        await listener.close()
    }

    @Test func anAddressIsComparedWithTheCertificatesAddresses() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: certificates.clientContext(), name: "127.0.0.1")
        _ = try await client.handshake()
        #expect(try await server.handshake().serverName == nil)
        await listener.close()
    }

    @Test func whatIsNotTLSIsRefusedAndDoesNotReachTheOwner() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: nil)
        try await client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(await server.remaining() == [.failed("handshake failed"), .inactive])
        await listener.close()
    }

    @Test func whoLeavesDuringTheHandshakeIsReported() async throws {
        let certificates = try await TestCertificates()
        let listener = try await Listener(tls: certificates.serverContext())
        let (client, server) = try await listener.pair(tls: nil)
        await client.close()
        #expect(await server.remaining() == [.failed("handshake interrupted"), .inactive])
        await listener.close()
    }
}
