import Foundation
import Testing

@testable import TransportSecurity

struct ConfigurationTests {
    private func error(_ certificate: String, _ key: String) -> TLSConfigurationError? {
        do {
            _ = try TLSContext(server: TLSServerConfiguration(certificateChainFile: certificate, privateKeyFile: key))
            return nil
        } catch {
            return error
        }
    }

    @Test func eachBadFileIsNamed() async throws {
        let certificates = try await TestCertificates()
        try await certificates.issue("other", names: ["other.test"])
        try await certificates.openssl(
            "ec", "-in", certificates.path("mail.key"), "-aes256", "-passout", "pass:secret", "-out",
            certificates.path("locked.key"))
        try Data("no PEM at all\n".utf8).write(to: URL(fileURLWithPath: certificates.path("text.pem")))
        let whole = try String(contentsOfFile: certificates.path("mail.pem"), encoding: .utf8)
        try whole.replacingOccurrences(of: "-----BEGIN CERTIFICATE-----\nM", with: "-----BEGIN CERTIFICATE-----\nA")
            .write(toFile: certificates.path("broken.pem"), atomically: true, encoding: .utf8)
        let good = certificates.path("mail.pem")
        let key = certificates.path("mail.key")

        let cases: [(certificate: String, key: String, code: TLSConfigurationError.Code, named: String)] = [
            (certificates.path("none.pem"), key, .missing, certificates.path("none.pem")),
            (good, certificates.path("none.key"), .missing, certificates.path("none.key")),
            (certificates.path("text.pem"), key, .malformed, certificates.path("text.pem")),
            (certificates.path("broken.pem"), key, .malformed, certificates.path("broken.pem")),
            (certificates.directory, key, .malformed, certificates.directory),
            (good, good, .malformed, good),
            (good, certificates.path("other.key"), .keyMismatch, certificates.path("other.key")),
            (good, certificates.path("locked.key"), .encryptedKey, certificates.path("locked.key")),
        ]
        for (certificate, key, code, named) in cases {
            let error = error(certificate, key)
            #expect(error?.code == code)
            #expect(error?.file == named)
            #expect(error?.description.hasPrefix(named + ": ") == true)
            #expect(error?.description.contains("\n") == false)
        }
        #expect(error(good, key) == nil)
    }

    @Test func noCertificateAtAllIsAnError() {
        #expect(throws: TLSConfigurationError.self) { try TLSContext(server: TLSServerConfiguration(identities: [])) }
    }

    @Test func anExpiredCertificateIsOnlyAWarning() async throws {
        let certificates = try await TestCertificates()
        try await certificates.issue("old", names: ["mail.example.test"], days: -1)
        let context = try certificates.serverContext("old")
        #expect(context.warnings.map(\.code) == [.expired])
        #expect(context.warnings.first?.file == certificates.path("old.pem"))
        #expect(try certificates.serverContext().warnings.isEmpty)
    }

    @Test func aFailedReloadChangesNothing() async throws {
        let certificates = try await TestCertificates()
        let context = try certificates.serverContext()
        let before = context.generation
        try FileManager.default.removeItem(atPath: certificates.path("mail.key"))
        #expect(throws: TLSConfigurationError.self) { try context.reload() }
        #expect(context.generation === before)
    }
}

struct TicketKeysTests {
    @Test func aKeyChangesAndTheOneBeforeStillOpens() throws {
        let keys = TicketKeys(lifetime: .seconds(100))
        let start = ContinuousClock.now
        func opens(_ key: TicketKeys.Key, at seconds: Int) -> Bool? {
            key.name.withUnsafeBytes { keys.opening(name: $0, now: start + .seconds(seconds))?.renew }
        }
        let first = try #require(keys.sealing(now: start))
        #expect(keys.sealing(now: start + .seconds(99))?.name == first.name)
        #expect(opens(first, at: 99) == false)
        let second = try #require(keys.sealing(now: start + .seconds(101)))
        #expect(second.name != first.name)
        #expect(opens(first, at: 150) == true)
        #expect(opens(second, at: 150) == false)
        #expect(opens(first, at: 201) == nil)
    }
}
