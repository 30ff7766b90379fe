import NIOCore
import TestRandomness

@testable import IMAPSyntax

/// Random values of the syntax, each one that can be printed.
extension SeededGenerator {
    mutating func number() -> UInt32 {
        switch Int.random(in: 0..<8, using: &self) {
        case 0: .max
        case 1: 1
        case 2...4: UInt32.random(in: 1...20, using: &self)
        default: UInt32.random(in: 1...UInt32.max, using: &self)
        }
    }

    mutating func number64() -> UInt64 {
        chance(1, of: 5) ? UInt64(Int64.max) : UInt64.random(in: 0...1_000_000, using: &self)
    }

    mutating func sequenceSet() -> SequenceSet {
        let ranges = array(1...5) { generator in
            let first =
                generator.chance(1, of: 6) ? SequenceNumber.largest : SequenceNumber(generator.number()) ?? .largest
            let last =
                generator.chance(1, of: 6) ? SequenceNumber.largest : SequenceNumber(generator.number()) ?? .largest
            return generator.chance(1, of: 2) ? SequenceRange(first) : SequenceRange(first, last)
        }
        return SequenceSet(ranges) ?? .all
    }

    mutating func messageSet() -> MessageSet { chance(1, of: 6) ? .savedResult : .set(sequenceSet()) }

    mutating func numbering() -> Numbering { pick([.sequenceNumbers, .uids]) }

    /// Octets of every kind but NUL, which no literal holds.
    mutating func octets() -> ByteBuffer {
        switch Int.random(in: 0..<6, using: &self) {
        case 0: return ByteBuffer()
        case 1: return ByteBuffer(pick(["NIL", "nil", "x]", "\\", "\"", "{5}", "a b", "~{3}", "(", "*", "%"]))
        case 2: return ByteBuffer(bytes: array(0...40) { UInt8.random(in: 1...255, using: &$0) })
        case 3: return ByteBuffer(pick(["тест", "Entwürfe", "日本語", "line\r\nline {3+}\r\n"]))
        default: return ByteBuffer(atom())
        }
    }

    mutating func atom() -> String {
        let characters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+/=&'!#$~,;<>?@[^`|}")
        return String(array(1...12) { $0.pick(characters) })
    }

    mutating func name() -> String {
        switch Int.random(in: 0..<5, using: &self) {
        case 0: return "INBOX"
        case 1:
            return pick([
                "A&B", "a b/c", "Entwürfe/Ärger", "日本語/台北", "😀", "NIL", "x\"y\\z", "&", "", "a]b", "50% *off*",
            ])
        case 2:
            let scalars = array(1...10) { generator -> Character in
                let ranges: [ClosedRange<UInt32>] = [0x20...0x7E, 0xA0...0x2FF, 0x4E00...0x4FFF, 0x1F600...0x1F64F]
                let value = UInt32.random(in: generator.pick(ranges), using: &generator)
                return Character(Unicode.Scalar(value) ?? "x")
            }
            return String(scalars)
        default: return array(1...3) { $0.atom() }.joined(separator: "/")
        }
    }

    mutating func mailbox() -> MailboxName { MailboxName(name()) }

    mutating func pattern() -> MailboxPattern { MailboxPattern(pick(["*", "%", "", "a%b*", "Entwürfe/%", name()])) }

    mutating func flag() -> Flag {
        switch Int.random(in: 0..<3, using: &self) {
        case 0: pick([.seen, .answered, .flagged, .deleted, .draft])
        case 1: Flag(pick(["$Junk", "$NotJunk", "$Phishing", "$Forwarded", "\\Extension"]))
        default: Flag(atom())
        }
    }

    mutating func keyword() -> Flag { Flag(pick(["$Junk", "work", atom()])) }

    mutating func date() -> CalendarDate {
        while true {
            if let date = CalendarDate(daysSince1970: Int.random(in: -719_528...2_932_896, using: &self)) {
                return date
            }
        }
    }

    mutating func dateTime() -> DateTime {
        while true {
            let hour = Int.random(in: 0...23, using: &self)
            let minute = Int.random(in: 0...59, using: &self)
            let second = Int.random(in: 0...60, using: &self)
            let zone = Int.random(in: -1439...1439, using: &self)
            if let time = DateTime(date: date(), hour: hour, minute: minute, second: second, zoneMinutes: zone) {
                return time
            }
        }
    }

    mutating func part(_ counts: ClosedRange<Int> = 0...4) -> [UInt32] { array(counts) { $0.number() } }

    mutating func section() -> BodySection {
        let part = part()
        switch Int.random(in: 0..<6, using: &self) {
        case 0: return BodySection(part: part)
        case 1: return BodySection(part: part, text: .header)
        case 2: return BodySection(part: part, text: .text)
        case 3: return BodySection(part: part, text: part.isEmpty ? nil : .mime)
        case 4: return BodySection(part: part, text: .headerFields(array(1...3) { $0.atom() }))
        default:
            return BodySection(part: part, text: .headerFieldsNot(array(1...3) { $0.pick(["To", "x y", "a\"b"]) }))
        }
    }

    mutating func partial() -> PartialRange? {
        chance(1, of: 2) ? nil : PartialRange(offset: number64(), count: UInt64(number()))
    }
}
