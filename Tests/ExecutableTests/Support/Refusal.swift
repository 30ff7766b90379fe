import TestSupport
import Testing

extension House {
    /// Starts the program and checks that it refuses.
    /// - Parameter parts: what the line must say, apart from the program's name at its beginning.
    func expectRefusal(
        of executable: Executable, _ arguments: [String]? = nil, isConfined: Bool = false,
        says parts: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let ordinary = executable == .command ? ["account", "list"] : []
        let run = try await run(executable, arguments ?? ordinary, isConfined: isConfined)
        #expect(run.end == .exited(78), "\(run)", sourceLocation: sourceLocation)
        let lines = run.errors.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == 1 && run.errors.hasSuffix("\n"), "\(run.errors)", sourceLocation: sourceLocation)
        #expect(run.errors.hasPrefix("\(executable.name): "), "\(run.errors)", sourceLocation: sourceLocation)
        for part in parts { #expect(run.errors.contains(part), "\(run.errors)", sourceLocation: sourceLocation) }
        #expect(run.output.isEmpty, sourceLocation: sourceLocation)
    }
}
