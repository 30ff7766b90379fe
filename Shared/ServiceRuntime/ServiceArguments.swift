import ArgumentParser
import Foundation

extension ConfigurationReference.Format: ExpressibleByArgument {}

/// The command line of a service.
struct ServiceArguments<Configuration: ServiceConfiguration>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: programName,
            abstract: "One of the processes of the mail system Martlet.",
            discussion: """
                It reads its section of the configuration file, answers the other services, and runs until it is \
                asked to leave: SIGTERM finishes what is in hand and leaves, SIGHUP reads the configuration and the \
                certificates again. Events go to standard error, one line each.

                KEYS OF ITS SECTION
                \(Configuration.keys.map { "  \($0.name)  \($0.meaning)" }.joined(separator: "\n"))

                EXIT STATUS
                  0 after SIGTERM; 64 for a wrong command line; 78 when it refuses to start, with one line that \
                says why and what is expected; 1 after a failure.
                """,
            version: "martlet \(MartletVersion.current)")
    }

    /// The name under which the process was called.
    static var programName: String {
        CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "martlet"
    }

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration file. Without it MARTLET_CONFIG, $MARTLET_HOME/martlet.yaml or \(ConfigurationPath.system).",
            valueName: "file"))
    var config: String?

    @Option(name: .long, help: ArgumentHelp("Which replica this is, from 0.", valueName: "number"))
    var replica = 0

    @Flag(
        name: .long,
        help: "Check the configuration and leave: 0 when it can be used, else 78 and one line that says why not.")
    var checkConfig = false

    @Option(
        name: .long, defaultAsFlag: ConfigurationReference.Format.markdown,
        help: ArgumentHelp(
            "Print every key with its default and meaning, as markdown or yaml, and leave.", valueName: "format"))
    var printConfiguration: ConfigurationReference.Format?

    func validate() throws {
        guard (0..<1_000).contains(replica) else { throw ValidationError("--replica is a number from 0 to 999") }
    }
}

/// Where the configuration is.
public enum ConfigurationPath {
    /// Where it is when nothing says otherwise.
    public static let system = "/etc/martlet/martlet.yaml"

    /// The file that was named, else MARTLET_CONFIG, else $MARTLET_HOME/martlet.yaml, else the system's.
    public static func resolved(_ named: String?, environment: [String: String]) -> String {
        if let named { return named }
        if let path = environment["MARTLET_CONFIG"], !path.isEmpty { return path }
        if let home = environment["MARTLET_HOME"], !home.isEmpty { return "\(home)/martlet.yaml" }
        return system
    }
}

/// Which Martlet this is.
public enum MartletVersion {
    /// Printed by `--version` and answered by the Health contract.
    public static let current = "0.1.0"
}

/// The process's environment.
enum ProcessEnvironment {
    /// All variables.
    static var current: [String: String] { ProcessInfo.processInfo.environment }
}
