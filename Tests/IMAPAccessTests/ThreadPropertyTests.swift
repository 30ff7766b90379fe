import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// What holds for every mailbox, and what strangers may send.
@Suite("Threading: properties")
struct ThreadPropertyTests {
    private func randomMails(_ generator: inout SeededGenerator) -> [ThreadTests.Mail] {
        let count = Int.random(in: 0...40, using: &generator)
        let names = (0..<max(1, count)).map { "m\($0)" } + ["x", "y", "z"]
        let subjects = ["", "a", "Re: a", "b", "fwd: B", "Re: c", "[l] c"]
        return (0..<count).map { _ in
            ThreadTests.Mail(
                Int.random(in: 0..<10, using: &generator) == 0 ? nil : names.randomElement(using: &generator),
                (0..<Int.random(in: 0...4, using: &generator)).map { _ in names.randomElement(using: &generator) ?? ""
                },
                subjects.randomElement(using: &generator) ?? "",
                sent: Int.random(in: 0...20, using: &generator),
                arrival: Int.random(in: 0...20, using: &generator))
        }
    }

    private func all(_ mails: [ThreadTests.Mail]) -> [[ThreadMember]] {
        let input = ThreadTests.input(mails)
        return [
            SubjectThreads.make(input), ReferenceThreads.make(input, mergesSubjects: true),
            ReferenceThreads.make(input, mergesSubjects: false),
        ]
    }

    @Test(
        "Every message is there once, siblings are in order, dummies hold several",
        arguments: 1...60 as ClosedRange<UInt64>)
    func sound(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let mails = randomMails(&generator)
            for members in all(mails) {
                #expect(members.compactMap(\.message).sorted() == Array(mails.indices))
                var path: [Int] = []
                var last: [Int: (sent: Int, position: Int)] = [:]
                var children = [Int](repeating: 0, count: members.count)
                for (position, member) in members.enumerated() {
                    #expect(member.depth <= path.count)
                    path.removeLast(path.count - member.depth)
                    if let parent = path.last {
                        children[parent] += 1
                        if let message = member.message {
                            let key = (sent: mails[message].sent ?? 0, position: message)
                            if let before = last[parent] {
                                let isAfter = before < key
                                #expect(isAfter)
                            }
                            last[parent] = key
                        }
                    }
                    if member.message == nil { #expect(member.depth == 0) }
                    path.append(position)
                }
                for (position, member) in members.enumerated() where member.message == nil {
                    #expect(children[position] >= 2)
                }
            }
        }
    }

    @Test("Names and the clock decide nothing", arguments: 1...40 as ClosedRange<UInt64>)
    func invariant(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let mails = randomMails(&generator)
            var others = mails
            for index in others.indices {
                others[index].id = others[index].id.map { "other-\($0)" }
                others[index].references = others[index].references.map { "other-\($0)" }
                others[index].sent = others[index].sent.map { $0 + 1_000_000 }
                others[index].arrival -= 5000
            }
            #expect(all(mails) == all(others))
        }
    }

    @Test(
        "Where all say whom they reply to, the mailbox's order decides nothing",
        arguments: 1...40 as ClosedRange<UInt64>)
    func orderless(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            // Each message has all its ancestors among its references, and all of them are there.
            var mails: [ThreadTests.Mail] = []
            for position in 0..<Int.random(in: 1...30, using: &generator) {
                let parent = Bool.random(using: &generator) ? mails.randomElement(using: &generator) : nil
                mails.append(
                    ThreadTests.Mail(
                        "m\(position)", parent.map { $0.references + [$0.id ?? ""] } ?? [], sent: position,
                        arrival: position))
            }
            let shuffled = mails.shuffled(using: &generator)
            func names(_ mails: [ThreadTests.Mail], mergesSubjects: Bool) -> [String] {
                ReferenceThreads.make(ThreadTests.input(mails), mergesSubjects: mergesSubjects).map {
                    "\($0.depth) \($0.message.flatMap { mails[$0].id } ?? "-")"
                }
            }
            for merges in [true, false] {
                #expect(names(mails, mergesSubjects: merges) == names(shuffled, mergesSubjects: merges))
            }
        }
    }

    @Test("A chain of ten thousand replies, in either order", .timeLimit(.minutes(1)))
    func chain() async throws {
        let count = 10_000
        var mails: [ThreadTests.Mail] = []
        var ancestors: [String] = []
        for position in 0..<count {
            mails.append(ThreadTests.Mail("m\(position)", Array(ancestors.suffix(200)), sent: position))
            ancestors.append("m\(position)")
        }
        let expected = (0..<count).map { ThreadMember(message: $0, depth: $0) }
        let (forwards, backwards) = try await blocking { [mails] in
            (
                ReferenceThreads.make(ThreadTests.input(mails), mergesSubjects: true),
                ReferenceThreads.make(ThreadTests.input(mails.reversed()), mergesSubjects: false)
            )
        }
        #expect(forwards == expected)
        #expect(backwards == (0..<count).map { ThreadMember(message: count - 1 - $0, depth: $0) })
        // Of a chain of which only the ends are there, the ends are left.
        let gone = (0..<count).map { "g\($0)" }
        var pieces = [ThreadTests.Mail("first")]
        for start in stride(from: 0, to: count, by: 100) {
            let above = start == 0 ? ["first"] : [gone[start - 1]]
            pieces.append(ThreadTests.Mail("p\(start)", above + gone[start..<start + 100]))
        }
        let members = ReferenceThreads.make(ThreadTests.input(pieces), mergesSubjects: false)
        #expect(members.count == pieces.count)
        #expect(members.dropFirst().allSatisfy { $0.depth == 1 })
    }

    @Test("References made to cost much cost little", .timeLimit(.minutes(1)))
    func hostile() async throws {
        // A long chain, then many that say its end is above its beginning.
        let half = 30_000
        var mails: [ThreadTests.Mail] = []
        for position in 0..<half {
            mails.append(ThreadTests.Mail("c\(position)", position == 0 ? [] : ["c\(position - 1)"]))
        }
        for position in 0..<half {
            mails.append(ThreadTests.Mail("k\(position)", ["c\(half - 1)", "c0"]))
        }
        let members = try await blocking { [mails] in
            ReferenceThreads.make(ThreadTests.input(mails), mergesSubjects: true)
        }
        #expect(members.compactMap(\.message).count == mails.count)
        #expect(members.filter { $0.depth == 0 }.count == 1)
        #expect(members.map(\.depth).max() == half - 1)
        // Identifiers that are nobody's are forgotten when there are too many.
        let (identifiers, threads) = try await blocking {
            var input = ThreadInput()
            for message in 0..<2000 {
                input.append(
                    sentDate: 0, arrival: 0, references: (0..<1000).map { Array("\(message)-\($0)".utf8) })
            }
            return (input.identifierCount, ReferenceThreads.make(input, mergesSubjects: false).count)
        }
        #expect(identifiers <= 10_000 + 16 * 2000)
        #expect(threads == 2000)
    }
}
