import Glibc

/// Listening sockets that the supervisor opened before it started the service (sd_listen_fds(3)): no service needs root
/// for a low port, and a restart refuses nobody, since the socket stays open meanwhile.
public struct SocketActivation: Sendable {
    /// Descriptors by the name that FileDescriptorName= gives them; without names all are called `unknown`.
    public let descriptors: [String: [CInt]]

    /// Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES. Descriptors that are not meant for this process are left alone.
    public init(environment: [String: String], processID: Int32 = getpid()) {
        guard environment["LISTEN_PID"].flatMap(Int32.init) == processID,
            let count = environment["LISTEN_FDS"].flatMap(CInt.init), count > 0, count <= 1_024
        else {
            descriptors = [:]
            return
        }
        let names = environment["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        var byName: [String: [CInt]] = [:]
        for index in 0..<count {
            let descriptor = 3 + index
            let name = Int(index) < names.count ? String(names[Int(index)]) : "unknown"
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            byName[name, default: []].append(descriptor)
        }
        descriptors = byName
    }

    /// The sockets of a name; empty when the supervisor passed none.
    public func sockets(named name: String) -> [CInt] { descriptors[name] ?? [] }
}
