import Foundation
import TestSupport
import Testing

/// What keeps a program that speaks TLS from starting.
@Suite("A start is refused", .timeLimit(.minutes(8)))
struct RefusedCertificateTests {
    @Test(
        "for a certificate or its key that is missing, may not be read, or is none",
        arguments: [Executable.ingress, .access], ["certificate", "key"])
    func certificate(_ executable: Executable, _ key: String) async throws {
        try await House.run { house in
            let file = "\(house.path)/tls/server.\(key == "key" ? "key" : "pem")"
            let place = ["\(house.path)/martlet.yaml:", "\(executable.service).tls.\(key): expected ", file]
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: file)
            try await house.expectRefusal(of: executable, isConfined: true, says: place + ["Permission denied"])
            try FileManager.default.removeItem(atPath: file)
            try await house.expectRefusal(of: executable, says: place + ["No such file"])
            try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
            try await house.expectRefusal(of: executable, says: place + ["not a regular file"])
            try FileManager.default.removeItem(atPath: file)
            try Data("no certificate\n".utf8).write(to: URL(fileURLWithPath: file))
            house.configuration.withLock { $0.logLevel = "critical" }
            try await house.expectRefusal(of: executable, says: ["tls.\(key): \(file): holds no PEM "])
        }
    }

    @Test("for a key that belongs to another certificate", arguments: [Executable.ingress, .access])
    func otherKey(_ executable: Executable) async throws {
        try await House.run { house in
            house.configuration.withLock { $0.logLevel = "critical" }
            let file = "\(house.path)/tls/server.key"
            _ = try await blocking {
                try ChildProcess.run(
                    "openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file])
            }
            try await house.expectRefusal(of: executable, says: ["tls.key: \(file): "])
        }
    }

    @Test("for a certificate without its key, and for TLS without either", arguments: [Executable.ingress, .access])
    func half(_ executable: Executable) async throws {
        try await House.run { house in
            let whole = house.configuration.withLock(\.self)
            house.configuration.withLock { $0.replace("  key: tls/server.key", with: "", in: executable.service) }
            try await house.expectRefusal(of: executable, says: ["tls.key: expected "])
            house.configuration.withLock {
                $0 = whole
                $0.replace("  key: tls/server.key", with: "", in: executable.service)
                $0.replace("  certificate: tls/server.pem", with: "", in: executable.service)
            }
            try await house.expectRefusal(of: executable, says: ["tls.certificate"])
        }
    }
}
