import Foundation
import TestSupport
import Testing

/// One of the programs of the tree, as it was built beside the tests.
struct Executable: Sendable, Hashable, CustomTestStringConvertible {
    /// The service, which is also the name of its section in the configuration.
    let service: String
    /// The file's name.
    let name: String

    static let ingress = Executable(service: "smtp-ingress", name: "martlet-smtp-ingress")
    static let access = Executable(service: "imap-access", name: "martlet-imap-access")
    static let content = Executable(service: "content-processing", name: "martlet-content-processing")
    static let authentication = Executable(service: "authentication", name: "martlet-authentication")
    static let storage = Executable(service: "storage", name: "martlet-storage")
    static let command = Executable(service: "administration", name: "martlet")

    /// Those that run until they are told to leave.
    static let services = [ingress, access, content, authentication, storage]
    static let all = services + [command]

    var testDescription: String { name }

    /// The file, in the folder of the running test bundle.
    var path: String {
        get throws {
            guard let bundle = Bundle.main.executableURL?.resolvingSymlinksInPath() else {
                throw TestFailure("it is not known where the tests run")
            }
            let path = bundle.deletingLastPathComponent().appendingPathComponent(name).path
            guard FileManager.default.isExecutableFile(atPath: path) else {
                throw TestFailure("\(name) is not beside \(bundle.path): build with --build-tests")
            }
            return path
        }
    }
}
