import NIOCore

/// One method of a contract as the wire knows it. Numbers are never used again for something else.
public struct MethodDescription: Sendable, Hashable {
    /// From 1 to 63.
    public let number: UInt8
    /// For logs and metrics.
    public let name: String
    /// True when running it twice does no harm: then it is sent again when a replica dies, even without a key.
    public let isIdempotent: Bool

    /// Describes a method.
    public init(number: UInt8, name: String, isIdempotent: Bool) {
        precondition((1...63).contains(number), "method numbers are 1 to 63")
        self.number = number
        self.name = name
        self.isIdempotent = isIdempotent
    }
}

/// One contract as the wire knows it.
public struct ContractDescription: Sendable, Hashable {
    /// From 1 to 255; never used again for another contract.
    public let number: UInt8
    /// For example "Directory".
    public let name: String

    /// Describes a contract.
    public init(number: UInt8, name: String) {
        self.number = number
        self.name = name
    }
}

/// What a server sends back to a call that has not failed.
public enum CallResult: Sendable {
    /// The one answer of a unary call or an upload.
    case reply(ByteBuffer, payload: [ByteBuffer] = [])
    /// The end of a reply stream; its items were sent with `IncomingCall.send`.
    case end
}

/// What a `ServerSocket` serves: every call of one contract.
public protocol ContractServer: Sendable {
    /// The contract served.
    var contract: ContractDescription { get }
    /// Answers one call. What it throws travels as a failure; the task is cancelled when the caller gives up,
    /// vanishes or its deadline passes.
    func handle(_ call: IncomingCall) async throws -> CallResult
}

/// Who may call what. Asked when a peer connects and, once per connection, for each method.
public protocol AccessPolicy: Sendable {
    /// Whether `caller` may call this method.
    func permits(_ caller: PeerIdentity, contract: UInt8, method: UInt8) -> Bool
}

/// The policy that lets every known peer call everything.
public struct OpenAccess: AccessPolicy {
    /// The policy.
    public init() {}

    /// Whether `caller` may call this method.
    public func permits(_ caller: PeerIdentity, contract: UInt8, method: UInt8) -> Bool { true }
}
