import Foundation
import TestSupport
import TransportSecurity

/// A certificate that signs itself, made once for all tests.
enum TestCertificate {
    private static let files: Result<(directory: TemporaryDirectory, certificate: String, key: String), any Error> =
        Result {
            let directory = try TemporaryDirectory()
            let (certificate, key) = (directory.path + "/cert.pem", directory.path + "/key.pem")
            let openssl = Process()
            openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            openssl.arguments = [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
                certificate,
            ]
            openssl.standardError = FileHandle.nullDevice
            try openssl.run()
            openssl.waitUntilExit()
            return (directory, certificate, key)
        }

    static func context() throws -> TLSContext {
        let (_, certificate, key) = try files.get()
        return try TLSContext(
            server: TLSServerConfiguration(certificateChainFile: certificate, privateKeyFile: key))
    }
}
