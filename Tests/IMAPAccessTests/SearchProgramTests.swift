import IMAPSyntax
import Testing

@testable import IMAPAccess

@Suite("Search programs")
struct SearchProgramTests {
    static let now: Int64 = 1_700_000_000_999_999

    /// Whether a message with this internal date, in microseconds, matches.
    static func matches(_ key: SearchKey, date: Int64) throws -> Bool? {
        let program = try SearchProgram(
            charset: nil, keys: [key],
            SearchProgram.Mailbox(count: 1, largestUID: 1, keywords: [], savedResult: NumberSet(), now: now))
        let row = MessageRow(uid: 1, flags: 0, modseq: 1, date: date, size: 1)
        return program.evaluate(row, number: 1, SearchProgram.Knowledge())
    }

    @Test("YOUNGER and OLDER are exact to the second, and both take the second itself (RFC 5032, 2)")
    func within() throws {
        let target: Int64 = 1_699_999_900
        for fraction: Int64 in [0, 1, 999_999] {
            let (before, at, after) = (
                (target - 1) * 1_000_000 + fraction, target * 1_000_000 + fraction, (target + 1) * 1_000_000 + fraction
            )
            #expect(try Self.matches(.younger(100), date: before) == false)
            #expect(try Self.matches(.younger(100), date: at) == true)
            #expect(try Self.matches(.younger(100), date: after) == true)
            #expect(try Self.matches(.older(100), date: before) == true)
            #expect(try Self.matches(.older(100), date: at) == true)
            #expect(try Self.matches(.older(100), date: after) == false)
        }
    }

    @Test("An interval may reach behind 1970, and a message too")
    func longAgo() throws {
        #expect(try Self.matches(.younger(.max), date: 0) == true)
        #expect(try Self.matches(.older(.max), date: 0) == false)
        let target = (Self.now / 1_000_000 - Int64(UInt32.max)) * 1_000_000
        #expect(try Self.matches(.older(.max), date: target - 1) == true)
        #expect(try Self.matches(.younger(.max), date: target - 1) == false)
        #expect(try Self.matches(.younger(.max), date: target) == true)
    }
}
