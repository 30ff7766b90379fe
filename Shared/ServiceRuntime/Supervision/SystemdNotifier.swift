import Glibc

/// Tells systemd, or whatever set NOTIFY_SOCKET, how the service is (sd_notify(3)); without the variable it does nothing.
public struct SystemdNotifier: Sendable {
    private let path: String?
    /// How often `WATCHDOG=1` is sent, half of what the supervisor allows; nil when it does not watch.
    public let watchdogInterval: Duration?

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    public init(environment: [String: String], processID: Int32 = getpid()) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isForUs = environment["WATCHDOG_PID"].map { Int32($0) == processID } ?? true
        if isForUs, let microseconds = environment["WATCHDOG_USEC"].flatMap(Int64.init), microseconds > 0 {
            watchdogInterval = .microseconds(microseconds / 2)
        } else {
            watchdogInterval = nil
        }
    }

    /// Sends lines such as `READY=1`. Whether somebody listens is none of the service's business.
    @discardableResult
    public func send(_ lines: String...) -> Bool {
        guard let path else { return false }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        let isAbstract = name.first == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }
        guard name.count < UnixSocketPath.limit else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        // An abstract name ends with the given length; a path ends with a zero.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1))
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let text = Array(lines.joined(separator: "\n").utf8)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                sendto(descriptor, text, text.count, 0, pointer, length) == text.count
            }
        }
    }
}
