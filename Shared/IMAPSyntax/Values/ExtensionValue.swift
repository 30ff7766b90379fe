import NIOCore

/// The generic syntax of extensions' values (RFC 9051, 9: `tagged-ext-val`): an atom such as a number or a set, or a
/// list.
public enum ExtensionValue: Hashable, Sendable {
    /// A number or a sequence set, as it was written.
    case simple(String)
    /// A list in parentheses.
    case list([ExtensionComponent])
}

/// A member of a list in the generic syntax (RFC 9051, 9: `tagged-ext-comp`).
public indirect enum ExtensionComponent: Hashable, Sendable {
    case string(ByteBuffer)
    case list([ExtensionComponent])
}
