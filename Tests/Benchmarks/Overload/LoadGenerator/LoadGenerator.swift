import ArgumentParser
import Glibc

/// Offers messages to an SMTP server at a fixed rate, whatever the server does, and says what became of each.
///
/// One thread and one epoll instance: the generator shares the machine with the server that it measures, so it has to
/// be cheap. What it cost is part of its report. `overload.py` runs it.
@main
struct LoadGenerator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "LoadGenerator",
        abstract: "Offers messages to an SMTP server and prints what became of them as JSON.")

    @Option(help: "The server's IPv4 address.") var host = "127.0.0.1"
    @Option(help: "The server's port.") var port: UInt16
    @Option(help: "Messages offered a second; 0 means that each session sends its next as soon as it can.")
    var rate = 0.0
    @Option(help: "Connections at most.") var sessions = 50
    @Option(help: "Messages of one connection, then QUIT; 0 means no end.") var messagesPerSession = 0
    @Option(help: "The first source address.") var source = "127.0.0.1"
    @Option(help: "How many source addresses, ascending from the first; connections take them in turn.")
    var sources = 1
    @Option(help: "Octets of a message.") var octets = 4_096
    @Option(help: "Comma-separated recipients; messages take them in turn.") var recipients: String
    @Option(help: "Seconds of offering.") var seconds = 10.0
    @Option(help: "Seconds before the measured time.") var warmup = 0.0
    @Option(help: "Seconds until a message that was offered counts as not answered.") var limit = 10.0
    @Option(help: "Seconds that a refused client waits before it connects again.") var retry = 0.0

    func validate() throws {
        guard rate >= 0, rate <= 1e6, sessions > 0, messagesPerSession >= 0, sources > 0, octets >= 512, limit > 0,
            seconds > 0, warmup >= 0, warmup < seconds, retry >= 0
        else { throw ValidationError("a number is out of range") }
        guard IPv4Address(host) != nil, IPv4Address(source) != nil else {
            throw ValidationError("an address is not an IPv4 address")
        }
    }

    func run() throws {
        guard let server = IPv4Address(host), let first = IPv4Address(source) else { return }
        var descriptors = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 else {
            throw SystemError("getrlimit")
        }
        descriptors.rlim_cur = descriptors.rlim_max
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors) == 0 else {
            throw SystemError("setrlimit")
        }
        guard Int(descriptors.rlim_max) > sessions + 16 else {
            throw ValidationError("\(sessions) connections, and the system allows \(descriptors.rlim_max) descriptors")
        }
        signal(SIGPIPE, SIG_IGN)
        let plan = LoadPlan(
            server: server, port: port, firstSource: first, sources: sources, rate: rate, sessions: sessions,
            messagesPerSession: messagesPerSession, octets: octets,
            recipients: recipients.split(separator: ",").map(String.init), duration: .init(seconds * 1e9),
            warmup: .init(warmup * 1e9), limit: .init(limit * 1e9), retry: .init(retry * 1e9))
        var loop = try LoadLoop(plan)
        print(try loop.run().json)
    }
}

/// A call to the system that failed.
struct SystemError: Error, CustomStringConvertible {
    let description: String

    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}

/// An IPv4 address as a number.
struct IPv4Address {
    let value: UInt32

    init(value: UInt32) { self.value = value }

    init?(_ text: String) {
        var address = in_addr()
        guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
        value = UInt32(bigEndian: address.s_addr)
    }

    func socketAddress(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = value.bigEndian
        return address
    }
}

/// What is to be offered; times are nanoseconds.
struct LoadPlan {
    var server: IPv4Address
    var port: UInt16
    var firstSource: IPv4Address
    var sources: Int
    /// Arrivals a second; 0 is a closed loop.
    var rate: Double
    var sessions: Int
    var messagesPerSession: Int
    var octets: Int
    var recipients: [String]
    var duration: Int64
    var warmup: Int64
    var limit: Int64
    var retry: Int64

    var isClosedLoop: Bool { rate == 0 }
}
