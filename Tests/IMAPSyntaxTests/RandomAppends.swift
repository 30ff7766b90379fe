import NIOCore
import TestRandomness

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

extension SeededGenerator {
    /// A part, and the octets of its literal if it is a text.
    mutating func appendPart(_ literals: LiteralStyle) -> (AppendPart, ByteBuffer) {
        guard chance(1, of: 2) else { return (.url(chance(1, of: 4) ? name() : url().text), ByteBuffer()) }
        let octets = ByteBuffer(bytes: array(0...30) { UInt8.random(in: 0...255, using: &$0) })
        let isUTF8 = chance(1, of: 3)
        let header = LiteralHeader(
            octets: octets.readableBytes, isSynchronizing: literals == .synchronizing,
            isBinary: isUTF8 || chance(1, of: 3))
        return (.text(header, isUTF8: isUTF8), octets)
    }
}
