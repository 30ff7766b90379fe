import Foundation
import Synchronization

/// A program that a test started. It is told apart from all others
/// by its id alone, and is never signalled after it was reaped.
public final class ChildProcess: Sendable {
    /// What went wrong, with the program's own words.
    public struct Failure: Error, CustomStringConvertible {
        /// The words.
        public let description: String
    }

    /// How it ended.
    public enum End: Sendable, Hashable {
        /// By itself, with this status.
        case exited(Int32)
        /// By this signal.
        case killed(Int32)
    }

    /// Its id.
    public let processID: pid_t
    private let state = Mutex<End?>(nil)

    /// `posix_spawn_file_actions_addclosefrom_np` of glibc, which its headers hide from Swift.
    private typealias CloseFrom =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    private static let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
        unsafeBitCast($0, to: CloseFrom.self)
    }

    /// Starts a program: by its path, or by a name that is looked up in PATH. It runs in `/tmp`, since another user
    /// may not enter the folder that the tests run in.
    /// - Parameters:
    ///   - environment: replaces this process's own.
    ///   - input: becomes standard input; without it that is empty.
    ///   - output: the file that standard output is appended to; without it nothing is kept.
    ///   - errors: the file that standard error is appended to; without it the same as `output`.
    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String]? = nil, input: Int32? = nil,
        output: String? = nil, errors: String? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output ?? "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let errors {
            posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        // Nothing else is inherited: a client's socket that a program has as well is not closed when the client closes it.
        guard Self.closeFrom?(&actions, 3) == 0 else {
            throw Failure(description: "this C library cannot start a program without the descriptors of this one")
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words = (["env", "--chdir=/tmp", program] + arguments).map { strdup($0) }
        defer { words.forEach { free($0) } }
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { strdup("\($0)=\($1)") }
        defer { variables.forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, "env", &actions, &attributes, words + [nil], variables + [nil])
        guard code == 0 else { throw Failure(description: "\(program) does not start: error \(code)") }
        processID = child
    }

    /// How it ended; nil while it runs. Never waits.
    public var end: End? { state.withLock { end in reap(&end, options: WNOHANG) } }

    /// Sends a signal, unless it has ended.
    public func signal(_ number: Int32) {
        state.withLock { end in
            if reap(&end, options: WNOHANG) == nil { kill(processID, number) }
        }
    }

    /// Blocks until it has ended; only for programs that end by themselves soon.
    @discardableResult
    public func wait() -> End? { state.withLock { end in reap(&end, options: 0) } }

    private func reap(_ end: inout End?, options: Int32) -> End? {
        guard end == nil else { return end }
        var status: Int32 = 0
        var answer = waitpid(processID, &status, options)
        while answer < 0, errno == EINTR { answer = waitpid(processID, &status, options) }
        guard answer == processID else { return nil }
        let number = status & 0x7F
        end = number == 0 ? .exited((status >> 8) & 0xFF) : .killed(number)
        return end
    }

    /// Runs a program to its end, which must be a good one; returns what it wrote.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) throws -> String {
        // A file, not a pipe: a server that is started keeps its standard output.
        let file = "/tmp/martlet-output-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(file) }
        let child = try ChildProcess(program, arguments, output: file)
        let end = child.wait()
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        guard end == .exited(0) else {
            throw Failure(description: "\(program) \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }
}

/// Cleans up when this process is gone, however that came: a shell that waits for the end of a pipe whose other end only
/// this process has, then runs its script.
public final class Janitor: Sendable {
    private let pipe: Mutex<FileHandle?>
    private let shell: ChildProcess

    /// - Parameters:
    ///   - folder: `$0` in the script.
    ///   - script: what is run, in the language of sh.
    public init(of folder: String, script: String) throws {
        var ends: [Int32] = [-1, -1]
        guard Foundation.pipe(&ends) == 0 else { throw ChildProcess.Failure(description: "no pipe: error \(errno)") }
        defer { close(ends[0]) }
        pipe = Mutex(FileHandle(fileDescriptor: ends[1], closeOnDealloc: true))
        shell = try ChildProcess(
            "sh", ["-c", "trap '' INT TERM HUP\ncat >/dev/null\n\(script)", folder], input: ends[0])
    }

    /// Has the script run now, and waits for its end.
    public func dismiss() {
        pipe.withLock { $0 = nil }
        shell.wait()
    }
}
