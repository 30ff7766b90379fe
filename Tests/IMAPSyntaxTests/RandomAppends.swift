import NIOCore

@testable import IMAPSyntax

/// Random heads of APPEND, each one that can be printed.
extension SeededGenerator {
    /// Nil for APPEND.
    mutating func replacedMessage() -> ReplacedMessage? {
        guard chance(1, of: 2) else { return nil }
        let number = chance(1, of: 6) ? SequenceNumber.largest : SequenceNumber(number()) ?? .largest
        return ReplacedMessage(numbering: numbering(), number: number)
    }

    mutating func appendMessage(octets: Int, _ literals: LiteralStyle) -> AppendMessage {
        let isUTF8 = chance(1, of: 4)
        return AppendMessage(
            flags: array(0...3) { $0.flag() }, internalDate: chance(1, of: 2) ? nil : dateTime(),
            literal: LiteralHeader(
                octets: octets, isSynchronizing: literals == .synchronizing, isBinary: isUTF8 || chance(1, of: 2)),
            isUTF8: isUTF8)
    }
}
