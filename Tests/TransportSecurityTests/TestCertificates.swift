import Foundation

/// Certificates made with OpenSSL's command line in a directory of their own, which goes away with this object.
final class TestCertificates: Sendable {
    let directory: String

    /// An authority, and from it server certificates for `mail.example.test` (RSA and, by `other`, ECDSA for other names).
    init() async throws {
        directory = NSTemporaryDirectory() + "martlet-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try await openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
            "-subj", "/CN=Martlet Test Authority", "-keyout", path("ca.key"), "-out", path("ca.pem"))
        try await issue("mail", names: ["mail.example.test", "localhost"])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    var authority: String { path("ca.pem") }

    /// Makes `name.pem`, a chain, and `name.key`.
    func issue(_ name: String, names: [String], days: Int = 300, key: String = "ec") async throws {
        let names = names.map { "DNS:\($0)" }.joined(separator: ",")
        try Data("subjectAltName=\(names),IP:127.0.0.1\nbasicConstraints=CA:FALSE\n".utf8)
            .write(to: URL(fileURLWithPath: path("\(name).ext")))
        let kind = key == "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : [key]
        try await openssl(
            ["req", "-newkey"] + kind + [
                "-nodes", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr"),
            ])
        try await openssl(
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-days", "\(days)", "-extfile", path("\(name).ext"), "-out", path("\(name).pem"))
    }

    func replace(_ name: String, by other: String) throws {
        for ending in ["pem", "key"] {
            let octets = try Data(contentsOf: URL(fileURLWithPath: path("\(other).\(ending)")))
            try octets.write(to: URL(fileURLWithPath: path("\(name).\(ending)")), options: .atomic)
        }
    }

    @discardableResult
    func openssl(_ arguments: String...) async throws -> String { try await openssl(arguments) }

    @discardableResult
    func openssl(_ arguments: [String]) async throws -> String {
        let outcome = try await Command.run("openssl", arguments)
        guard outcome.status == 0 else { throw CommandFailed(text: outcome.output) }
        return outcome.output
    }
}

struct CommandFailed: Error {
    var text: String
}

/// A program that runs to its end.
enum Command {
    static func run(_ name: String, _ arguments: [String], input: String = "") async throws -> (
        status: Int32, output: String
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        // Files instead of pipes: nobody has to drain them while the program runs.
        let file = NSTemporaryDirectory() + "martlet-command-\(UUID().uuidString)"
        defer { for ending in ["in", "out"] { try? FileManager.default.removeItem(atPath: "\(file).\(ending)") } }
        try Data(input.utf8).write(to: URL(fileURLWithPath: "\(file).in"))
        _ = FileManager.default.createFile(atPath: "\(file).out", contents: nil)
        process.standardInput = FileHandle(forReadingAtPath: "\(file).in")
        let output = FileHandle(forWritingAtPath: "\(file).out")
        process.standardOutput = output
        process.standardError = output
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        let text = try Data(contentsOf: URL(fileURLWithPath: "\(file).out"))
        return (status, String(decoding: text, as: UTF8.self))
    }
}
