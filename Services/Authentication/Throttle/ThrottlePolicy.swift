#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// How many failures are too many.
struct ThrottlePolicy: Sendable {
    /// A bucket that leaks.
    struct Bucket: Sendable {
        /// How many failures fill it.
        var failures: Int
        /// How long until it is empty again.
        var window: Duration

        /// How much leaks in a second.
        var rate: Double {
            Double(failures) / (Double(window.components.seconds) + Double(window.components.attoseconds) * 1e-18)
        }
    }

    /// For one network address.
    var client = Bucket(failures: 20, window: .seconds(600))

    /// For one login name, from everywhere. Larger, since anybody can fill it for somebody else.
    var name = Bucket(failures: 50, window: .seconds(600))

    /// What is counted under for a client: an IPv4 address, or the network of 64 bits of an IPv6 one, since whoever has
    /// one of its addresses has all of them.
    static func subject(client address: String) -> String {
        var octets = [UInt8](repeating: 0, count: 16)
        let host = String(address.prefix { $0 != "%" })
        guard inet_pton(AF_INET6, host, &octets) == 1 else { return "client:\(address)" }
        if octets[..<10].allSatisfy({ $0 == 0 }), octets[10] == 0xFF, octets[11] == 0xFF {
            return "client:" + octets[12...].map(String.init).joined(separator: ".")
        }
        let network = octets[..<8].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "client:\(network)/64"
    }

    static func subject(name: String) -> String {
        "name:\(name)"
    }
}
