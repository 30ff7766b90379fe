import NIOCore
import TestRandomness
import Testing

@testable import IMAPSyntax

/// What is printed is read as the same value, however the octets are split.
@Suite("Printed and read again")
struct RoundTripTests {
    @Test(
        "Commands", arguments: [SessionEncoding.modifiedUTF7, .utf8], [LiteralStyle.synchronizing, .nonSynchronizing])
    func commands(encoding: SessionEncoding, literals: LiteralStyle) {
        var generator = SeededGenerator(seed: 9051)
        let printer = CommandPrinter(encoding: encoding, literals: literals)
        for round in 0..<3000 {
            let value = TaggedCommand(tag: generator.tag(), command: generator.command())
            let printed = printer.print(value)
            let heard = events(of: printed, encoding: encoding) { _, _ in }
            let announced = heard.dropLast().filter { if case .literal(tag: value.tag, _) = $0 { true } else { false } }
            #expect(announced.count == printed.count - 1, "round \(round): \(joined(printed).text)")
            #expect(heard.last == .command(value), "round \(round): \(joined(printed).text)")
            if round.isMultiple(of: 10) {
                #expect(events(of: pieces(of: joined(printed), size: 1), encoding: encoding) { _, _ in } == heard)
                #expect(events(of: [joined(printed)], encoding: encoding) { _, _ in } == heard)
            }
        }
    }

    @Test("Every split of a command in two gives the same")
    func commandSplitInTwo() {
        var generator = SeededGenerator(seed: 3501)
        let printer = CommandPrinter(encoding: .utf8, literals: .nonSynchronizing)
        for _ in 0..<150 {
            let octets = joined(printer.print(TaggedCommand(tag: "t", command: generator.command())))
            let whole = events(of: [octets], encoding: .utf8) { _, _ in }
            for cut in 0...octets.readableBytes {
                var rest = octets
                let first = rest.readSlice(length: cut) ?? ByteBuffer()
                #expect(events(of: [first, rest], encoding: .utf8) { _, _ in } == whole)
            }
        }
    }

    @Test("APPEND and REPLACE, the message octet by octet", arguments: [LiteralStyle.synchronizing, .nonSynchronizing])
    func append(literals: LiteralStyle) {
        var generator = SeededGenerator(seed: 3502)
        let printer = CommandPrinter(encoding: .modifiedUTF7, literals: literals)
        for _ in 0..<300 {
            let message = ByteBuffer(bytes: generator.array(0...60) { UInt8.random(in: 0...255, using: &$0) })
            let head = AppendCommand(
                tag: generator.tag(), replaced: generator.replacedMessage(), mailbox: generator.mailbox(),
                message: generator.appendMessage(octets: message.readableBytes, literals))
            let octets = joined(printer.print(append: head) + [message, printer.print(after: head.message)])
            var expected: [CommandEvent] = [.append(head), .messageOctets(message), .messageEnd, .appendEnd]
            if message.readableBytes == 0 { expected.remove(at: 1) }
            for size in [1, 5, octets.readableBytes] {
                let heard = events(of: pieces(of: octets, size: size)).filter {
                    if case .literal = $0 { false } else { true }
                }
                #expect(heard == expected)
            }
        }
    }

    @Test("APPEND of several messages (RFC 3502)", arguments: [LiteralStyle.synchronizing, .nonSynchronizing])
    func appendSeveral(literals: LiteralStyle) {
        var generator = SeededGenerator(seed: 8508)
        let printer = CommandPrinter(encoding: .modifiedUTF7, literals: literals)
        for _ in 0..<200 {
            let contents = generator.array(1...4) { generator in
                ByteBuffer(bytes: generator.array(0...30) { UInt8.random(in: 0...255, using: &$0) })
            }
            let messages = contents.map { generator.appendMessage(octets: $0.readableBytes, literals) }
            let head = AppendCommand(tag: generator.tag(), mailbox: generator.mailbox(), message: messages[0])
            var printed = printer.print(append: head)
            var expected: [CommandEvent] = [.append(head)]
            for (index, content) in contents.enumerated() {
                let next = index + 1 < messages.count ? messages[index + 1] : nil
                printed += [content, printer.print(after: messages[index], next: next)]
                if content.readableBytes > 0 { expected.append(.messageOctets(content)) }
                expected += [.messageEnd, next.map { .appendNext($0) } ?? .appendEnd]
            }
            let octets = joined(printed)
            for size in [1, 5, octets.readableBytes] {
                let heard = events(of: pieces(of: octets, size: size)).filter {
                    if case .literal = $0 { false } else { true }
                }
                #expect(heard == expected)
            }
        }
    }

    @Test("Responses", arguments: [SessionEncoding.modifiedUTF7, .utf8])
    func responses(encoding: SessionEncoding) {
        var generator = SeededGenerator(seed: 7162)
        for round in 0..<4000 {
            let value = generator.response()
            var printer = ResponsePrinter(encoding: encoding)
            printer.write(value)
            let octets = printer.take()
            #expect(printer.octetCount == 0)
            let heard = IMAPSyntaxTests.responses(of: [octets], encoding: encoding)
            #expect(heard == [.response(value)], "round \(round): \(octets.text)")
            if round.isMultiple(of: 10) {
                #expect(IMAPSyntaxTests.responses(of: pieces(of: octets, size: 1), encoding: encoding) == heard)
            }
        }
    }

    @Test("Challenges and their answers")
    func challenges() {
        var generator = SeededGenerator(seed: 4959)
        for _ in 0..<300 {
            let octets = ByteBuffer(bytes: generator.array(0...40) { UInt8.random(in: 0...255, using: &$0) })
            var printer = ResponsePrinter()
            printer.challenge(octets)
            #expect(
                IMAPSyntaxTests.responses(of: [printer.take()], awaitsChallenge: true)
                    == [.response(.continuation(.challenge(octets)))])
            let line = CommandPrinter.authenticationLine(.response(octets))
            var parser = CommandParser()
            parser.awaitAuthenticationLine()
            parser.feed(line)
            #expect(parser.next() == .authenticationLine(.response(octets)))
        }
    }
}

/// No input makes a parser trap, keep more than it may, or go on without end.
@Suite("Garbage")
struct GarbageTests {
    static let limits: ParsingLimits = {
        var limits = ParsingLimits()
        limits.lineOctets = 2000
        limits.literalOctets = 500
        limits.commandLiteralOctets = 1000
        limits.messageOctets = 1000
        return limits
    }()

    /// Feeds octets in random pieces, changes the parser's state at random as a server might, and takes all events.
    private func feedCommands(_ octets: ByteBuffer, _ generator: inout SeededGenerator) {
        var parser = CommandParser(limits: GarbageTests.limits, encoding: generator.pick([.utf8, .modifiedUTF7]))
        var rest = octets
        while rest.readableBytes > 0 {
            let size = Int.random(in: 1...min(64, rest.readableBytes), using: &generator)
            parser.feed(rest.readSlice(length: size) ?? ByteBuffer())
            var events = 0
            while parser.next() != .needMore {
                events += 1
                switch Int.random(in: 0..<20, using: &generator) {
                case 0: parser.refuseLiteral()
                case 1: parser.awaitAuthenticationLine()
                case 2: parser.awaitIdleEnd()
                default: break
                }
                guard events <= 3 * 64 + 4 else {
                    Issue.record("more events than octets could hold")
                    return
                }
            }
            #expect(parser.bufferedOctets <= 3064)
        }
    }

    @Test("Random octets")
    func randomOctets() {
        var generator = SeededGenerator(seed: 1)
        let alphabet = Array("aA1 \r\n{}()[]<>\"\\*%+~,:.$-&;0123456789NILUIDFETCHBODYSEARCHAPPEND".utf8)
        for _ in 0..<3000 {
            let octets = ByteBuffer(
                bytes: generator.array(0...300) { generator in
                    generator.chance(1, of: 20)
                        ? UInt8.random(in: 0...255, using: &generator) : generator.pick(alphabet)
                })
            feedCommands(octets, &generator)
            _ = responses(of: pieces(of: octets, size: 13), limits: GarbageTests.limits)
            _ = ModifiedUTF7.decode(octets.readableBytesView)
            _ = Base64.decode(octets)
        }
    }

    @Test("Valid input with some octets changed, left out, doubled")
    func mutations() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<4000 {
            let printer = CommandPrinter(
                encoding: .utf8, literals: generator.pick([.synchronizing, .nonSynchronizing]))
            let command = TaggedCommand(tag: "a", command: generator.command())
            var octets = Array(joined(printer.print(command)).readableBytesView)
            mutate(&octets, &generator)
            feedCommands(ByteBuffer(bytes: octets + Array("\r\nb NOOP\r\n".utf8)), &generator)

            var writer = ResponsePrinter(encoding: .utf8)
            writer.write(generator.response())
            var answer = Array(writer.take().readableBytesView)
            mutate(&answer, &generator)
            let split = pieces(of: ByteBuffer(bytes: answer), size: 9)
            let whole = [ByteBuffer(bytes: answer)]
            #expect(
                responses(of: split, limits: GarbageTests.limits) == responses(of: whole, limits: GarbageTests.limits))
        }
    }

    @Test("Mutated commands give the same events however they are split")
    func mutationsSplit() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let printer = CommandPrinter(encoding: .utf8, literals: .nonSynchronizing)
            var octets = Array(
                joined(printer.print(TaggedCommand(tag: "a", command: generator.command()))).readableBytesView)
            mutate(&octets, &generator)
            let all = ByteBuffer(bytes: octets + Array("\r\nb NOOP\r\n".utf8))
            let whole = events(of: [all], limits: GarbageTests.limits, encoding: .utf8)
            #expect(events(of: pieces(of: all, size: 1), limits: GarbageTests.limits, encoding: .utf8) == whole)
            #expect(events(of: pieces(of: all, size: 17), limits: GarbageTests.limits, encoding: .utf8) == whole)
        }
    }

    private func mutate(_ octets: inout [UInt8], _ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !octets.isEmpty {
            let index = Int.random(in: octets.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: octets[index] = UInt8.random(in: 0...255, using: &generator)
            case 1: octets.remove(at: index)
            case 2: octets.insert(generator.pick(Array("{}()[]\"\\ \r\n+*0".utf8)), at: index)
            default: octets.insert(contentsOf: octets[index..<min(index + 8, octets.count)], at: index)
            }
        }
    }
}
