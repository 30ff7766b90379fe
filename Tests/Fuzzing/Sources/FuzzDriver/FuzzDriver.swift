@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Hands the command line to libFuzzer, which calls `body` with one input after another until its limits are reached.
public func fuzz(_ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt) {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    _ = runDriver(&count, &arguments, body)
}

/// The octets of one input.
public func octets(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: start, count: count))
}

/// Ends the run with what is wrong when a property of an input does not hold; in release mode `precondition` says nothing.
public func check(
    _ holds: Bool, _ wrong: @autoclosure () -> String = "a property does not hold", file: StaticString = #fileID,
    line: UInt = #line
) {
    if !holds { fatalError(wrong(), file: file, line: line) }
}
