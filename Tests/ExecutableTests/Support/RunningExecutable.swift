import Foundation
import TestSupport
import Testing

/// A program of ours that a test has started, with what it writes.
struct RunningExecutable: Sendable {
    let executable: Executable
    let process: ChildProcess
    private let outputFile: String
    private let errorFile: String

    /// Starts it with its output in files below `folder`, whose names begin with `label`.
    /// - Parameter isConfined: root is subject to the permissions of files like anybody else.
    init(
        _ executable: Executable, _ arguments: [String], environment: [String: String], input: String? = nil,
        folder: String, label: String, isConfined: Bool = false
    ) throws {
        self.executable = executable
        outputFile = "\(folder)/\(label).out"
        errorFile = "\(folder)/\(label).err"
        var words = [try executable.path] + arguments
        if isConfined, geteuid() == 0 {
            words = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] + words
        }
        var standardInput: FileHandle?
        if let input {
            let file = "\(folder)/\(label).in"
            try Data(input.utf8).write(to: URL(fileURLWithPath: file))
            standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        }
        process = try ChildProcess(
            words[0], Array(words.dropFirst()), environment: environment, input: standardInput?.fileDescriptor,
            output: outputFile, errors: errorFile)
        try standardInput?.close()
    }

    /// What it has written to standard output so far.
    var output: String { (try? String(contentsOfFile: outputFile, encoding: .utf8)) ?? "" }

    /// What it has written to standard error so far.
    var errors: String { (try? String(contentsOfFile: errorFile, encoding: .utf8)) ?? "" }

    /// Waits until it says that it is ready.
    func untilReady() async throws {
        try await eventually("\(executable.name) to be ready") {
            if let end = process.end { throw TestFailure("\(executable.name) ended, \(end): \(errors)") }
            return errors.contains("message=ready")
        }
    }

    /// Waits for its end, which it comes to by itself.
    @discardableResult
    func end() async throws -> ChildProcess.End {
        try await eventually("the end of \(executable.name)") { process.end }
    }

    /// kill -9, and its end.
    func kill() async throws {
        process.signal(SIGKILL)
        #expect(try await end() == .killed(SIGKILL), "\(errors)")
    }

    /// SIGTERM: it is to finish what it has in hand and leave.
    func leave() { process.signal(SIGTERM) }

    /// SIGTERM, and its end with status 0.
    func terminate() async throws {
        leave()
        #expect(try await end() == .exited(0), "\(errors)")
    }
}
