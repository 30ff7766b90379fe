/// The values of one section after loading: every declared key has one, of its kind and in its range.
///
/// The accessors throw only when the program asks for a key that it did not declare, or as another kind: that is the
/// program's own mistake, and it is told like any other, in one line at the start.
public struct ConfigurationValues: Sendable {
    /// A value of the kind that its key declares.
    enum Value: Sendable, Equatable {
        case text(String)
        case integer(Int)
        case boolean(Bool)
        case duration(Duration)
        case list([String])
        case path(String)
        case listen([ListenAddress])
        case addresses([AddressRange])
    }

    /// One value and where it comes from.
    struct Entry: Sendable, Equatable {
        var key: String
        var value: Value
        var place: String
        var isReloadable: Bool
        var isSecret: Bool
    }

    /// By name without the section.
    var entries: [String: Entry]
    /// The file, for errors about keys that stand nowhere.
    var file: String

    /// An error about the value at `name`: `file:line: section.name: problem`.
    public func error(_ name: String, _ problem: String) -> ConfigurationError {
        guard let entry = entries[name] else {
            return ConfigurationError(place: file, key: name, problem: problem)
        }
        return ConfigurationError(place: entry.place, key: entry.key, problem: problem)
    }

    /// The text, or the word of a choice.
    public func text(_ name: String) throws(ConfigurationError) -> String {
        guard case .text(let text) = try value(name) else { throw undeclared(name) }
        return text
    }

    /// The whole number, or the number of octets.
    public func integer(_ name: String) throws(ConfigurationError) -> Int {
        guard case .integer(let number) = try value(name) else { throw undeclared(name) }
        return number
    }

    /// The number of octets.
    public func octets(_ name: String) throws(ConfigurationError) -> Int { try integer(name) }

    /// Whether it is true.
    public func boolean(_ name: String) throws(ConfigurationError) -> Bool {
        guard case .boolean(let value) = try value(name) else { throw undeclared(name) }
        return value
    }

    /// The time.
    public func duration(_ name: String) throws(ConfigurationError) -> Duration {
        guard case .duration(let duration) = try value(name) else { throw undeclared(name) }
        return duration
    }

    /// The items.
    public func list(_ name: String) throws(ConfigurationError) -> [String] {
        guard case .list(let items) = try value(name) else { throw undeclared(name) }
        return items
    }

    /// The path, absolute; empty when nothing is set and the default is empty.
    public func path(_ name: String) throws(ConfigurationError) -> String {
        guard case .path(let path) = try value(name) else { throw undeclared(name) }
        return path
    }

    /// The path of a readable file, absolute; nil when it is left out.
    public func file(_ name: String) throws(ConfigurationError) -> String? {
        let path = try path(name)
        return path.isEmpty ? nil : path
    }

    /// The places to listen at.
    public func listenAddresses(_ name: String) throws(ConfigurationError) -> [ListenAddress] {
        guard case .listen(let addresses) = try value(name) else { throw undeclared(name) }
        return addresses
    }

    /// The ranges of network addresses.
    public func addressRanges(_ name: String) throws(ConfigurationError) -> [AddressRange] {
        guard case .addresses(let ranges) = try value(name) else { throw undeclared(name) }
        return ranges
    }

    private func value(_ name: String) throws(ConfigurationError) -> Value {
        guard let entry = entries[name] else { throw undeclared(name) }
        return entry.value
    }

    private func undeclared(_ name: String) -> ConfigurationError {
        error(name, "the program asks for this key but does not declare it with this type")
    }
}
