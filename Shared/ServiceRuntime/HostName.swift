import Glibc

/// What the machine calls itself.
public enum HostName {
    /// The name, `localhost` when it has none.
    public static var current: String {
        var octets = [CChar](repeating: 0, count: 256)
        guard gethostname(&octets, octets.count - 1) == 0 else { return "localhost" }
        let name = String(decoding: octets.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return name.isEmpty ? "localhost" : name
    }
}
