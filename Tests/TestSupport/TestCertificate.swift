import TransportSecurity

/// A certificate that signs itself, for localhost and mx.example.test, made once for all tests of a process.
public enum TestCertificate {
    private struct Made {
        var directory: TemporaryDirectory
        var janitor: Janitor
        var files: TLSIdentityFiles
    }

    /// The folder goes with the process.
    private static let made: Result<Made, any Error> = Result {
        let directory = try TemporaryDirectory()
        let janitor = try Janitor(of: directory.path, script: "rm -rf \"$0\"")
        let (certificate, key) = (directory.path + "/cert.pem", directory.path + "/key.pem")
        try ChildProcess.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:mx.example.test",
                "-keyout", key, "-out", certificate,
            ])
        return Made(
            directory: directory, janitor: janitor,
            files: TLSIdentityFiles(certificateChainFile: certificate, privateKeyFile: key))
    }

    /// Its files.
    public static func files() throws -> TLSIdentityFiles { try made.get().files }

    /// A server's context with it.
    public static func context() throws -> TLSContext {
        try TLSContext(server: TLSServerConfiguration(identities: [files()]))
    }
}
