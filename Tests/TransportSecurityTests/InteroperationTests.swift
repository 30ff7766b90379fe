import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import TransportSecurity

/// Sends back what comes, and closes after a line that says QUIT, or one of HTTP, with which testssl.sh finds out whom it
/// talks to.
private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let octets = unwrapInboundIn(data)
        let text = String(buffer: octets)
        let isLast = text.contains("QUIT") || text.contains("HTTP")
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(octets)).whenSuccess {
            if isLast { channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Against OpenSSL's own client, and testssl.sh's many.
@Suite(.timeLimit(.minutes(30)))
struct InteroperationTests {
    private func serve(_ tls: TLSContext) async throws -> any Channel {
        try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(server: tls))
                    try channel.pipeline.syncOperations.addHandler(Echo())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    private func client(_ arguments: [String], input: String) async throws -> (status: Int32, output: String) {
        let certificates = try await TestCertificates()
        let server = try await serve(certificates.serverContext(protocols: ["imap"]))
        let port = server.localAddress?.port ?? 0
        let outcome = try await Command.run(
            "openssl",
            [
                "s_client", "-connect", "127.0.0.1:\(port)", "-servername", "mail.example.test", "-CAfile",
                certificates.authority, "-verify_return_error", "-verify_hostname", "mail.example.test",
            ] + arguments, input: input)
        try await server.close()
        return outcome
    }

    @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
    func openSSLsClientTalksToUs(option: String, version: String) async throws {
        let (status, output) = try await client(
            [option, "-quiet", "-ign_eof", "-alpn", "imap"], input: "Hello Martlet\nQUIT\n")
        #expect(status == 0)
        #expect(output.contains("Hello Martlet"))
        let (_, details) = try await client([option, "-ign_eof", "-alpn", "imap"], input: "QUIT\n")
        #expect(details.contains("Verify return code: 0 (ok)"))
        #expect(details.contains("ALPN protocol: imap"))
        #expect(details.contains(version))
    }

    @Test(arguments: [
        ["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256@SECLEVEL=0"], ["-alpn", "http/1.1"],
    ])
    func whatIsOldOrMeantForOthersIsRefused(arguments: [String]) async throws {
        let (status, _) = try await client(arguments, input: "")
        #expect(status != 0)
    }

    @Test func renegotiationIsRefused() async throws {
        let (_, output) = try await client(["-tls1_2"], input: "R\n")
        #expect(output.contains("RENEGOTIATING"))
        #expect(output.contains("no renegotiation"))
    }

    /// `MARTLET_TESTSSL=1 swift test --filter testssl`: takes minutes. A certificate of a private authority is found to be
    /// untrusted, and has no revocation information; nothing else may be worse than informational.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["MARTLET_TESTSSL"] != nil))
    func testsslFindsNothing() async throws {
        let certificates = try await TestCertificates()
        let server = try await serve(certificates.serverContext())
        let report = certificates.path("report.json")
        let (_, output) = try await Command.run(
            "testssl",
            [
                "--quiet", "--color", "0", "--warnings", "off", "--severity", "LOW", "--nodns", "none", "--add-ca",
                certificates.authority, "--jsonfile", report, "127.0.0.1:\(server.localAddress?.port ?? 0)",
            ])
        try await server.close()
        struct Finding: Decodable {
            var id: String
            var severity: String
            var finding: String
        }
        let findings = try JSONDecoder().decode(
            [Finding].self, from: Data(contentsOf: URL(fileURLWithPath: report)))
        let ofThePrivateAuthority: Set<String> = [
            "cert_chain_of_trust", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL", "DNS_CAArecord",
        ]
        let worse = findings.filter { finding in
            !["OK", "INFO", "WARN", "DEBUG"].contains(finding.severity)
                && !ofThePrivateAuthority.contains { finding.id.hasPrefix($0) }
        }
        #expect(worse.isEmpty, "\(worse)\n\(output)")
        print(output)
    }
}
