import Foundation

/// A folder of one test's own, removed when the value goes. Its path is short, because the path of a Unix socket may
/// have 107 octets at most.
public final class TemporaryDirectory: Sendable {
    /// Absolute, without a slash at the end.
    public let path: String

    /// Makes the folder.
    public init() throws {
        path = "/tmp/martlet-test-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
