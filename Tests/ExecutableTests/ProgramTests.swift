import Foundation
import TestSupport
import Testing

/// What every program does with its command line and with signals.
@Suite("Every program", .timeLimit(.minutes(8)))
struct ProgramTests {
    @Test("says with --help how it is used, and with --version which it is", arguments: Executable.all)
    func help(_ executable: Executable) async throws {
        try await House.run { house in
            let help = try await house.run(executable, ["--help"])
            #expect(help.end == .exited(0) && help.errors.isEmpty, "\(help)")
            let words =
                executable == .command ? ["EXAMPLES", "EXIT STATUS"] : ["--check-config", "--replica", "EXIT STATUS"]
            for word in ["USAGE: \(executable.name)"] + words { #expect(help.output.contains(word)) }
            let version = try await house.run(executable, ["--version"])
            #expect(version.end == .exited(0) && version.output.hasPrefix("martlet "), "\(version)")
        }
    }

    @Test("refuses a command line that it does not understand with status 64", arguments: Executable.all)
    func commandLine(_ executable: Executable) async throws {
        try await House.run { house in
            let run = try await house.run(executable, ["--colour"])
            #expect(run.end == .exited(64) && run.errors.contains("--colour") && run.output.isEmpty, "\(run)")
        }
    }

    @Test("prints all its keys, and they are a configuration that YAML reads", arguments: Executable.services)
    func reference(_ executable: Executable) async throws {
        try await House.run { house in
            let table = try await house.run(executable, ["--print-configuration"])
            #expect(table.end == .exited(0) && table.errors.isEmpty, "\(table)")
            for key in ["`drain_limit`", "`messaging.directory`", "`\(executable.service).messaging.listen`"] {
                #expect(table.output.contains("| \(key) |"))
            }
            let yaml = try await house.run(executable, ["--print-configuration", "yaml"])
            #expect(yaml.end == .exited(0) && yaml.output.contains("\n\(executable.service):\n"), "\(yaml)")
            try Data(yaml.output.utf8).write(to: URL(fileURLWithPath: "\(house.path)/all.yaml"))
            // The IMAP service listens with TLS by default, for which it needs a certificate.
            guard executable != .access else { return }
            let check = try await house.run(executable, ["--check-config", "--config", "\(house.path)/all.yaml"])
            #expect(check.end == .exited(0) && check.errors.isEmpty, "\(check)")
        }
    }

    @Test("finds nothing wrong with a configuration that it can use", arguments: Executable.services)
    func check(_ executable: Executable) async throws {
        try await House.run { house in
            let check = try await house.run(executable, ["--check-config"])
            #expect(check.end == .exited(0) && check.errors.isEmpty, "\(check)")
            #expect(check.output == "\(house.path)/martlet.yaml: \(executable.name) can use this configuration\n")
        }
    }

    @Test(
        "told to leave (SIGTERM, or SIGINT from a terminal) while it still waits for its peers or PostgreSQL, leaves with status 0",
        arguments: Executable.services, [SIGTERM, SIGINT])
    func leavesWhileWaiting(_ executable: Executable, _ signal: Int32) async throws {
        try await House.run { house in
            house.configuration.withLock { configuration in
                for service in [Executable.storage, .authentication] {
                    configuration.set(database: "host=\(house.path)/nowhere dbname=none user=nobody", for: service)
                }
            }
            let started = try house.start(executable)
            let awaited = [Executable.storage, .authentication].contains(executable) ? "PostgreSQL: " : "no replica"
            try await eventually("\(executable.name) to say what it waits for") { started.errors.contains(awaited) }
            started.process.signal(signal)
            #expect(try await started.end() == .exited(0), "\(started.errors)")
            #expect(started.errors.contains("message=draining") && started.errors.contains("message=stopped"))
            // Nothing is left that would count as a replica.
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(house.path)/run").isEmpty)
        }
    }
}
