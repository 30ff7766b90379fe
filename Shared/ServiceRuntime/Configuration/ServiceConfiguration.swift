/// The configuration of one service: its keys, and the value that is made from them.
///
/// The keys stand in the service's own section of the one YAML file (`storage:`, `smtp-ingress:`) and may be given in
/// the environment as `MARTLET_<SECTION>_<KEY>`, which goes before the file.
public protocol ServiceConfiguration: Sendable {
    /// Every key of the service's section. Anything else that stands there stops the start.
    static var keys: [ConfigurationKey] { get }

    /// Makes the configuration from values that were all found to be of their kind and range. What remains is to
    /// check what keys mean together: throw ``ConfigurationValues/error(_:_:)``.
    init(from values: ConfigurationValues) throws(ConfigurationError)
}

/// The configuration of a service that has no keys of its own.
public struct NoConfiguration: ServiceConfiguration {
    /// No keys.
    public static var keys: [ConfigurationKey] { [] }

    /// Nothing to read.
    public init(from values: ConfigurationValues) throws(ConfigurationError) {}
}
