import Glibc

/// Where a service's replicas are found.
public enum ReplicaSource: Sendable, Hashable {
    /// A list that does not change.
    case endpoints([String])
    /// The sockets `<service>.<replica>.sock` in this folder, listed about once a second, so that replicas come and
    /// go without configuration.
    case directory(String)
}

/// How endpoints in the messaging folder are named.
public enum ServiceEndpoint {
    /// Where replica `replica` of `service` takes requests.
    public static func requests(directory: String, service: String, replica: Int) -> String {
        "ipc://\(directory)/\(service).\(replica).sock"
    }

    /// Where replica `replica` of `service` publishes events.
    public static func events(directory: String, service: String, replica: Int) -> String {
        events(beside: requests(directory: directory, service: service, replica: replica))
    }

    /// Where the replica publishes events that takes requests at this endpoint: 100 ports above on a network, else at a
    /// socket of its own in the same folder.
    public static func events(beside requests: String) -> String {
        guard requests.hasPrefix("ipc://"), requests.hasSuffix(Kind.requests.rawValue) else {
            return shifted(requests, by: 100)
        }
        return requests.dropLast(Kind.requests.rawValue.count) + Kind.events.rawValue
    }

    /// The endpoint with its port moved, as it is for another replica of the same service; unchanged when it has no port.
    public static func shifted(_ endpoint: String, by offset: Int) -> String {
        guard let colon = endpoint.lastIndex(of: ":"), let port = UInt16(endpoint[endpoint.index(after: colon)...])
        else {
            return endpoint
        }
        return "\(endpoint[...colon])\(Int(port) + offset)"
    }

    enum Kind: String {
        case requests = ".sock"
        case events = ".events.sock"
    }

    /// The endpoints of a service that have a socket in the folder.
    static func list(directory path: String, service: String, _ kind: Kind) -> Set<String> {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var endpoints: Set<String> = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix(service + "."), name.hasSuffix(kind.rawValue) else { continue }
            let replica = name.dropFirst(service.count + 1).dropLast(kind.rawValue.count)
            guard !replica.isEmpty, replica.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { continue }
            endpoints.insert("ipc://\(path)/\(name)")
        }
        return endpoints
    }
}
