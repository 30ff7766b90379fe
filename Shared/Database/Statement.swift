import Atomics

/// One SQL statement, prepared by name on each connection that first runs it.
///
/// A statement is a constant: make it once, as a `static let`, since every value counts as a statement of its own and
/// stays prepared as long as its connection lives. Call it with its parameters to get a command:
///
/// ```swift
/// static let find = Statement("SELECT account_id FROM directory.accounts WHERE address = $1")
/// let rows = try await connection.run(find("alice@example.test"))
/// ```
public struct Statement: Sendable {
    private static let lastIdentifier = ManagedAtomic<Int>(0)

    /// The SQL, with parameters `$1`, `$2` …
    public let text: String
    let identifier: Int

    /// A statement with a name that no other has in this process.
    public init(_ text: String) {
        self.text = text
        identifier = Self.lastIdentifier.wrappingIncrementThenLoad(ordering: .relaxed)
    }

    /// The statement with its parameters, ready to run.
    @inlinable
    public func callAsFunction<each Value: DatabaseEncodable>(_ values: repeat each Value) -> Command {
        var parameters = Parameters()
        repeat parameters.append(each values)
        return Command(statement: self, parameters: parameters)
    }

    /// The statement with parameters that were gathered before.
    public func with(_ parameters: Parameters) -> Command {
        Command(statement: self, parameters: parameters)
    }

    /// The name under which a connection prepares it.
    var name: String { "martlet_\(identifier)" }
}

/// A statement with its parameters.
public struct Command: Sendable {
    /// What to run.
    public let statement: Statement
    /// What for.
    public let parameters: Parameters

    @usableFromInline
    init(statement: Statement, parameters: Parameters) {
        self.statement = statement
        self.parameters = parameters
    }
}
