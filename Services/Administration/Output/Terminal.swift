import Foundation

/// Where a command's answer goes and where a password comes from. The tests give their own.
struct Terminal: Sendable {
    /// Whether the answer is JSON.
    var isJSON: Bool
    /// Takes a piece of the answer.
    var write: @Sendable (String) -> Void
    /// Takes a line for the person who waits; it is no part of the answer.
    var note: @Sendable (String) -> Void
    /// Gives all of standard input.
    var readInput: @Sendable () -> [UInt8]
    /// Asks a person for a line without showing it; nil when nobody is there.
    var askSecret: (@Sendable (String) -> String?)?
    /// Asks a person; nil when nobody is there.
    var ask: (@Sendable (String) -> String?)?

    /// The real one.
    init(isJSON: Bool) {
        let isInteractive = isatty(0) == 1 && isatty(2) == 1
        self.init(
            isJSON: isJSON, write: { FileHandle.standardOutput.write(Data($0.utf8)) },
            note: { Self.tell("\($0)\n") }, readInput: { [UInt8](FileHandle.standardInput.readDataToEndOfFile()) },
            askSecret: isInteractive ? Self.secretLine : nil, ask: isInteractive ? Self.line : nil)
    }

    @Sendable private static func tell(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    @Sendable private static func secretLine(_ prompt: String) -> String? {
        guard let typed = getpass(prompt) else { return nil }
        return String(cString: typed)
    }

    @Sendable private static func line(_ prompt: String) -> String? {
        tell(prompt)
        return readLine()
    }

    init(
        isJSON: Bool, write: @escaping @Sendable (String) -> Void, note: @escaping @Sendable (String) -> Void,
        readInput: @escaping @Sendable () -> [UInt8], askSecret: (@Sendable (String) -> String?)? = nil,
        ask: (@Sendable (String) -> String?)? = nil
    ) {
        self.isJSON = isJSON
        self.write = write
        self.note = note
        self.readInput = readInput
        self.askSecret = askSecret
        self.ask = ask
    }

    /// Answers with `page` in JSON, or with the text for people.
    func answer(_ page: some Encodable, _ text: @autoclosure () -> String) {
        write(isJSON ? JSONPage.text(page) : text() + "\n")
    }

    /// The new password: from standard input when that was asked for, else twice from the person at the terminal.
    func newPassword(fromInput: Bool) throws -> String {
        if fromInput {
            var octets = readInput()
            // One line end, as echo and here-documents add it, is no part of the password.
            if octets.last == UInt8(ascii: "\n") { octets.removeLast() }
            if octets.last == UInt8(ascii: "\r") { octets.removeLast() }
            guard let password = String(validating: octets, as: UTF8.self), !password.isEmpty,
                !password.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else {
                throw Failure(.unusableData, "expected a password on standard input: one line of UTF-8, not empty")
            }
            return password
        }
        guard let askSecret else {
            throw Failure(
                .unusableData, "there is nobody to ask for the password",
                advice: "Give it on standard input:  printf '%s' \"$PASSWORD\" | martlet … --password-stdin")
        }
        guard let first = askSecret("Password: "), !first.isEmpty, let second = askSecret("Again: ") else {
            throw Failure(.unusableData, "expected a password that is not empty")
        }
        guard first == second else { throw Failure(.unusableData, "the two passwords differ: nothing was changed") }
        return first
    }

    /// Asks before something is lost; without a person at the terminal the command itself is the consent.
    func confirm(_ question: String, isConfirmed: Bool) throws {
        guard !isConfirmed, let ask else { return }
        guard let reply = ask("\(question) [yes/no] "), ["y", "yes"].contains(reply.lowercased()) else {
            throw Failure(.other, "nothing was changed")
        }
    }
}
