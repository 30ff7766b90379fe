/// One key of the configuration: what it is called, what may stand there, what holds when nothing
/// does, and what it means. The tables of keys drive the loading, the check for unknown keys, `--help`
/// and the reference.
public struct ConfigurationKey: Sendable {
    /// What may stand at a key.
    public enum Kind: Sendable, Equatable {
        /// Any text.
        case text
        /// A whole number in a range.
        case integer(ClosedRange<Int>)
        /// `true` or `false`.
        case boolean
        /// A time with its unit: `250ms`, `30s`, `5m`, `2h`, `5d`.
        case duration(ClosedRange<Duration>)
        /// A size with its unit: `512`, `64KB`, `50MB`, `2GB` (powers of 1024).
        case octets(ClosedRange<Int>)
        /// One of these words.
        case choice([String])
        /// A list of texts.
        case list
        /// A path; relative ones are relative to the folder of the configuration file.
        case path
        /// A path of a file that must be there and readable when the service starts.
        case readableFile
        /// A list of places to listen at, see ``ListenAddress``.
        case listen
        /// A list of network addresses and ranges of them, see ``AddressRange``.
        case addresses
    }

    /// Dotted name below the service's section, for example `tls.certificate`.
    public var name: String
    /// What may stand there.
    public var kind: Kind
    /// The default as it would stand in the file, one item for kinds that are not lists; nil when the key must be given.
    public var defaults: [String]?
    /// What the key does, in one or two sentences for an operator.
    public var meaning: String
    /// Whether SIGHUP brings a new value into force; other keys need a restart.
    public var isReloadable: Bool
    /// Whether the value is kept out of every output.
    public var isSecret: Bool

    /// Makes a key of any kind; the functions below are shorter to write.
    public init(
        name: String, kind: Kind, defaults: [String]?, meaning: String, isReloadable: Bool = false,
        isSecret: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.defaults = defaults
        self.meaning = meaning
        self.isReloadable = isReloadable
        self.isSecret = isSecret
    }
}

extension ConfigurationKey {
    /// Any text; without a default the key must be given.
    public static func text(
        _ name: String, default text: String?, _ meaning: String, reloadable: Bool = false, secret: Bool = false
    ) -> Self {
        Self(
            name: name, kind: .text, defaults: text.map { [$0] }, meaning: meaning, isReloadable: reloadable,
            isSecret: secret)
    }

    /// A whole number in a range.
    public static func integer(
        _ name: String, default number: Int, in range: ClosedRange<Int> = 0...Int.max, _ meaning: String,
        reloadable: Bool = false
    ) -> Self {
        Self(
            name: name, kind: .integer(range), defaults: ["\(number)"], meaning: meaning, isReloadable: reloadable)
    }

    /// `true` or `false`.
    public static func boolean(
        _ name: String, default value: Bool, _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(name: name, kind: .boolean, defaults: ["\(value)"], meaning: meaning, isReloadable: reloadable)
    }

    /// A time with its unit.
    public static func duration(
        _ name: String, default duration: Duration, in range: ClosedRange<Duration> = .zero ... .seconds(86_400 * 365),
        _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(
            name: name, kind: .duration(range), defaults: [Quantity.text(of: duration)], meaning: meaning,
            isReloadable: reloadable)
    }

    /// A size with its unit; the default is a number of octets.
    public static func octets(
        _ name: String, default octets: Int, in range: ClosedRange<Int> = 0...Int.max, _ meaning: String,
        reloadable: Bool = false
    ) -> Self {
        Self(
            name: name, kind: .octets(range), defaults: [Quantity.text(ofOctets: octets)], meaning: meaning,
            isReloadable: reloadable)
    }

    /// One of several words.
    public static func choice(
        _ name: String, default word: String, of words: [String], _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(name: name, kind: .choice(words), defaults: [word], meaning: meaning, isReloadable: reloadable)
    }

    /// A list of texts; in the environment separated by commas.
    public static func list(
        _ name: String, default items: [String], _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(name: name, kind: .list, defaults: items, meaning: meaning, isReloadable: reloadable)
    }

    /// A path that need not be there; without a default the key must be given.
    public static func path(
        _ name: String, default path: String?, _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(name: name, kind: .path, defaults: path.map { [$0] }, meaning: meaning, isReloadable: reloadable)
    }

    /// A file that must be readable at the start. Default nil: the key must be given; "": may be left out.
    public static func readableFile(
        _ name: String, default path: String?, _ meaning: String, reloadable: Bool = false
    ) -> Self {
        Self(
            name: name, kind: .readableFile, defaults: path.map { [$0] }, meaning: meaning, isReloadable: reloadable)
    }

    /// Places to listen at; an empty list listens nowhere.
    public static func listen(_ name: String, default addresses: [String], _ meaning: String) -> Self {
        Self(name: name, kind: .listen, defaults: addresses, meaning: meaning)
    }

    /// Network addresses and ranges of them.
    public static func addresses(_ name: String, default ranges: [String], _ meaning: String) -> Self {
        Self(name: name, kind: .addresses, defaults: ranges, meaning: meaning)
    }
}

/// The proxies in front of a service that clients connect to.
extension ConfigurationKey {
    /// `proxy.trusted`
    public static var trustedProxies: Self {
        .addresses(
            "proxy.trusted", default: [],
            "Addresses of the proxies that stand in front of this service and begin each connection with a PROXY header "
                + "(version 1 or 2): from there the header is required and says where the client is, from anywhere else it "
                + "is not interpreted. Unix sockets have no proxy.")
    }

    /// `proxy.timeout`
    public static func proxyTimeout(default duration: Duration) -> Self {
        .duration(
            "proxy.timeout", default: duration, in: .milliseconds(100) ... .seconds(60),
            "How long a proxy may take to send the header.")
    }
}

extension ConfigurationKey.Kind {
    /// What is expected at such a key, as it stands in an error: "expected …".
    public var expectation: String {
        switch self {
        case .text: "a text"
        case .integer(let range): "a whole number \(Self.bounds(range.lowerBound, range.upperBound, top: Int.max))"
        case .boolean: "true or false"
        case .duration(let range):
            "a time with its unit such as 30s, from \(Quantity.text(of: range.lowerBound)) "
                + "to \(Quantity.text(of: range.upperBound))"
        case .octets(let range):
            range.upperBound == Int.max
                ? "a size such as 50MB, at least \(Quantity.text(ofOctets: range.lowerBound))"
                : "a size such as 50MB, from \(Quantity.text(ofOctets: range.lowerBound)) "
                    + "to \(Quantity.text(ofOctets: range.upperBound))"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .list: "a list of texts"
        case .path: "a path"
        case .readableFile: "a readable file"
        case .listen: "a list of host:port, unix:PATH or systemd:NAME"
        case .addresses: "a list of addresses such as 192.0.2.1 and ranges such as 10.0.0.0/8 or 2001:db8::/32"
        }
    }

    /// Whether the value is written as a list.
    public var isList: Bool {
        switch self {
        case .list, .listen, .addresses: true
        case .text, .integer, .boolean, .duration, .octets, .choice, .path, .readableFile: false
        }
    }

    private static func bounds(_ low: Int, _ high: Int, top: Int) -> String {
        high == top ? "of at least \(low)" : "from \(low) to \(high)"
    }
}
