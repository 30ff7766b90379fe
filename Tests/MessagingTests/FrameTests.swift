import NIOCore
import TestRandomness
import TestSupport
import Testing

@testable import Messaging

@Suite struct FrameTests {
    /// Frames of every kind with numbers of every size.
    static func frames(seed: UInt64) -> [Frame] {
        var generator = SeededGenerator(seed: seed)
        func number() -> UInt64 { generator.next() >> UInt64.random(in: 0...63, using: &generator) }
        func identifier() -> TransactionID { TransactionID(high: generator.next(), low: generator.next()) }
        let transaction = identifier()
        let requests = (0..<8).map { bits in
            Frame.Kind.request(
                Frame.Request(
                    contract: UInt8(truncatingIfNeeded: number()), method: UInt8(truncatingIfNeeded: number()),
                    remainingMicroseconds: UInt32(truncatingIfNeeded: number()), transaction: transaction,
                    idempotencyKey: bits & 1 == 0 ? nil : (Bool.random(using: &generator) ? transaction : identifier()),
                    uploadOctets: bits & 2 == 0 ? nil : number(),
                    window: bits & 4 == 0 ? nil : UInt32(truncatingIfNeeded: number())))
        }
        let others: [Frame.Kind] = [
            .reply, .failure(.overloaded, notBegun: true), .failure(.failed, notBegun: false), .item, .end,
            .chunk(isLast: true), .chunk(isLast: false), .credit(UInt32(truncatingIfNeeded: number())), .cancel,
            .draining, .ping, .subscribed,
        ]
        return (requests + others).map { Frame(kind: $0, call: number()) }
    }

    static func encode(_ frame: Frame) -> [UInt8] {
        var octets = [UInt8](repeating: 0xAA, count: frame.encodedOctets)
        octets.withUnsafeMutableBytes { frame.encode(into: $0) }
        return octets
    }

    @Test(arguments: UInt64(0)..<50)
    func whatIsWrittenIsRead(seed: UInt64) throws {
        for frame in Self.frames(seed: seed) {
            let octets = Self.encode(frame) + [1, 2, 3]
            let (decoded, length) = try octets.withUnsafeBytes { try Frame.decode($0) }
            #expect(decoded == frame)
            #expect(length == octets.count - 3)
        }
    }

    @Test(arguments: UInt64(0)..<10)
    func aHeaderCutAnywhereIsRefused(seed: UInt64) {
        for frame in Self.frames(seed: seed) {
            let octets = Self.encode(frame)
            for length in 0..<octets.count {
                #expect(throws: Frame.Malformation.self) {
                    try octets.prefix(length).withUnsafeBytes { try Frame.decode($0) }
                }
            }
        }
    }

    @Test func noOctetsTrap() {
        var generator = SeededGenerator(seed: 42)
        for _ in 0..<20_000 {
            var octets = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            // Mostly get beyond the version and the kind.
            if octets.count > 1, Bool.random(using: &generator) { octets[0] = 1 }
            if octets.count > 1, Bool.random(using: &generator) {
                octets[1] = UInt8.random(in: 0...13, using: &generator)
            }
            _ = try? octets.withUnsafeBytes { try Frame.decode($0) }
        }
    }

    @Test func anUnknownExtensionIsSkippedAndABrokenOneIsNot() throws {
        let frame = Frame(
            kind: .request(
                Frame.Request(
                    contract: 1, method: 2, remainingMicroseconds: 3, transaction: .next(), idempotencyKey: .next())),
            call: 9)
        var octets = Self.encode(frame)
        octets += [99, 3, 7, 7, 7]
        octets[12] += 5
        #expect(try octets.withUnsafeBytes { try Frame.decode($0) }.frame == frame)
        octets[octets.count - 4] = 4
        #expect(throws: Frame.Malformation.truncated) { try octets.withUnsafeBytes { try Frame.decode($0) } }
    }

    @Test func anotherVersionIsRefused() {
        var octets = Self.encode(Frame(kind: .reply, call: 1))
        octets[0] = 2
        #expect(throws: Frame.Malformation.version(2)) { try octets.withUnsafeBytes { try Frame.decode($0) } }
    }
}

@Suite struct TransactionIDTests {
    @Test func textAndOctetsAreReadBack() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<1_000 {
            let id = TransactionID(high: generator.next(), low: generator.next())
            #expect(TransactionID(id.description) == id)
            #expect(TransactionID(id.description.uppercased()) == id)
            #expect(TransactionID(octets: id.octets) == id)
            #expect(id.description.utf8.count == 26)
        }
    }

    @Test func theOrderOfTextIsTheOrderOfIDs() {
        var generator = SeededGenerator(seed: 4)
        let ids = (0..<500).map { _ in TransactionID(high: generator.next(), low: generator.next()) }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }

    @Test func newOnesAreUnique() {
        let ids = (0..<100_000).map { _ in TransactionID.next() }
        #expect(Set(ids).count == ids.count)
    }

    @Test(arguments: [
        "", "0", "8zzzzzzzzzzzzzzzzzzzzzzzzz", "0000000000000000000000000u", "000000000000000000000000000",
    ])
    func otherTextIsRefused(text: String) { #expect(TransactionID(text) == nil) }
}
