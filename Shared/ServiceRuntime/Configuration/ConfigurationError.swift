/// Why a configuration cannot be used: one line that names the place, the key and what is expected.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `martlet.yaml:12`, `environment MARTLET_LOG_LEVEL`, or only the file when the key is missing.
    public var place: String
    /// The full dotted key, nil when the file as a whole is meant.
    public var key: String?
    /// What is wrong and what is expected.
    public var problem: String

    /// Makes an error from its parts; ``ConfigurationValues/error(_:_:)`` finds the place of a key by itself.
    public init(place: String, key: String?, problem: String) {
        self.place = place
        self.key = key
        self.problem = problem
    }

    /// The line as it goes to standard error.
    public var description: String {
        let text = key.map { "\(place): \($0): \(problem)" } ?? "\(place): \(problem)"
        return text.singleLine
    }
}

/// Thrown by a service that must not start, or must not go on, for a reason that an operator has to mend: a schema
/// that it does not know, a port that is taken. The process prints one line and leaves with status 78.
public struct StartRefusal: Error, Sendable, CustomStringConvertible {
    /// What is wrong and what to do, in one line.
    public var reason: String

    /// Makes a refusal.
    public init(_ reason: String) { self.reason = reason }

    /// The reason as one line.
    public var description: String { reason.singleLine }
}

extension String {
    /// The text with line breaks and other control characters replaced, so that it stays one line of output.
    var singleLine: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return self }
        return String(
            String.UnicodeScalarView(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
