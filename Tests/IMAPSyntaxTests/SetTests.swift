import TestRandomness
import Testing

@testable import IMAPSyntax

@Suite("Sets of numbers")
struct SetTests {
    /// Small numbers, so that ranges meet, and the ends of UInt32, where arithmetic could overflow.
    private func randomNumbers(_ generator: inout SeededGenerator) -> Set<UInt32> {
        Set(
            generator.array(0...30) { generator in
                generator.chance(1, of: 6)
                    ? UInt32.max - UInt32.random(in: 0...3, using: &generator)
                    : UInt32.random(in: 0...40, using: &generator)
            })
    }

    @Test("Set operations agree with those of Swift's Set")
    func operations() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<3000 {
            let left = randomNumbers(&generator)
            let right = randomNumbers(&generator)
            let a = NumberSet(left)
            let b = NumberSet(right)
            #expect(Array(a) == left.sorted())
            #expect(a.count == left.count && a.min == left.min() && a.max == left.max())
            #expect(Array(a.union(b)) == left.union(right).sorted())
            #expect(Array(a.intersection(b)) == left.intersection(right).sorted())
            #expect(Array(a.subtracting(b)) == left.subtracting(right).sorted())
            #expect(a.union(b) == NumberSet(left.union(right)))
            #expect(a.subtracting(b) == NumberSet(left.subtracting(right)))
            for number in right { #expect(a.contains(number) == left.contains(number)) }
        }
    }

    @Test("Numbers and ranges inserted and removed one by one")
    func changes() {
        var generator = SeededGenerator(seed: 6)
        for _ in 0..<300 {
            var model: Set<UInt32> = []
            var set = NumberSet()
            for _ in 0..<60 {
                let number = generator.chance(1, of: 8) ? UInt32.max : UInt32.random(in: 0...50, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0:
                    model.insert(number)
                    set.insert(number)
                case 1:
                    let low = number - min(number, UInt32.random(in: 0...6, using: &generator))
                    model.formUnion(low...number)
                    set.insert(low...number)
                default:
                    #expect(set.remove(number) == (model.remove(number) != nil))
                }
                #expect(set == NumberSet(model))
                #expect(Array(set) == model.sorted())
            }
        }
    }

    @Test("Positions in unique identifiers are those of a filter")
    func positions() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<1000 {
            let uids = randomNumbers(&generator).sorted()
            let wanted = NumberSet(randomNumbers(&generator))
            let found = wanted.positions(in: uids)
            #expect(found.flatMap { Array($0) } == uids.indices.filter { wanted.contains(uids[$0]) })
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
        let million = (1...1_000_000).map { UInt32($0) * 2 }
        #expect(NumberSet(5...11).positions(in: million) == [2..<5])
        #expect(NumberSet(1...UInt32.max).positions(in: million) == [0..<1_000_000])
    }

    private func set(_ text: String) -> SequenceSet? {
        guard case .uidExpunge(.set(let set))? = command("a UID EXPUNGE \(text)\r\n") else { return nil }
        return set
    }

    @Test(
        "The RFC's examples (RFC 9051, 9: sequence-set)",
        arguments: [
            ("2,4:7,9,12:*", 15, "2,4:7,9,12:15"), ("*:4,5:7", 10, "4:10"), ("4:2", 10, "2:4"), ("*", 10, "10"),
            ("1:*", 1, "1"),
        ] as [(String, UInt32, String)])
    func examples(text: String, count: UInt32, expected: String) {
        #expect(set(text)?.resolved(messageCount: count)?.description == expected)
        #expect(set(text)?.description == text)
    }

    @Test("A message that is not there is BAD; * in an empty mailbox too")
    func beyondTheMailbox() {
        #expect(set("1:11")?.resolved(messageCount: 10) == nil)
        #expect(set("*")?.resolved(messageCount: 0) == nil)
        #expect(set("1:*")?.resolved(messageCount: 0) == nil)
        #expect(set("11:*")?.resolved(messageCount: 10) == nil)
    }

    @Test("3291:* holds the last message even when its identifier is less")
    func largestBelow() {
        #expect(set("3291:*")?.resolved(largestUID: 100).contains(100) == true)
        #expect(set("*")?.resolved(largestUID: 0) == [])
        #expect(set("5,*")?.resolved(largestUID: 0) == [5])
    }

    @Test("The largest number that is written, * aside")
    func largestWritten() {
        #expect(set("3,9:4,7:*")?.largestNumber == 9)
        #expect(set("*:12")?.largestNumber == 12)
        #expect(set("*")?.largestNumber == nil)
    }

    @Test("COPYUID keeps its order")
    func inOrder() {
        #expect(SequenceSet(inOrder: [304, 319, 320, 5, 6, 7, 1])?.description == "304,319:320,5:7,1")
        #expect(SequenceSet(inOrder: [UInt32.max - 1, .max, 1])?.description == "4294967294:4294967295,1")
        #expect(SequenceSet(inOrder: [UInt32]()) == nil)
        #expect(set("304,319:320")?.numbersInOrder(limit: 10) == [304, 319, 320])
        #expect(set("1:4294967295")?.numbersInOrder(limit: 10) == nil)
        #expect(set("1:*")?.numbersInOrder(limit: 10) == nil)
        #expect(SequenceSet(NumberSet([1, 2, 3, 9]))?.description == "1:3,9")
        #expect(SequenceSet(NumberSet()) == nil)
    }

    @Test("A part of a result, whichever end it counts from (RFC 9394, 3.1)")
    func resultPartial() throws {
        let results = Array(1...10)
        func part(_ first: UInt32, _ last: UInt32, fromEnd: Bool = false, of count: Int = 10) throws -> [Int] {
            let partial = try #require(ResultPartial(first, last, fromEnd: fromEnd))
            return Array(results[partial.positions(in: count)])
        }
        #expect(try part(1, 3) == [1, 2, 3])
        #expect(try part(3, 1) == [1, 2, 3])
        #expect(try part(9, 20) == [9, 10])
        #expect(try part(11, 20) == [])
        #expect(try part(10, .max) == [10])
        #expect(try part(1, 1, fromEnd: true) == [10])
        #expect(try part(3, 1, fromEnd: true) == [8, 9, 10])
        #expect(try part(9, .max, fromEnd: true) == [1, 2])
        #expect(try part(11, .max, fromEnd: true) == [])
        #expect(try part(1, 1, of: 0) == [])
        #expect(try part(1, 1, fromEnd: true, of: 0) == [])
        #expect(ResultPartial(0, 1) == nil)
        #expect(ResultPartial(1, 0) == nil)
    }
}
