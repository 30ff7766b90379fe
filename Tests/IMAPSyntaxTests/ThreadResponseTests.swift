import NIOCore
import Testing

@testable import IMAPSyntax

/// Threads of any depth (RFC 5256, 4: there is no limit to the nesting).
@Suite("THREAD responses")
struct ThreadResponseTests {
    private func printed(_ threads: MessageThreads) -> ByteBuffer {
        var printer = ResponsePrinter()
        printer.threads(threads)
        return printer.take()
    }

    private func threads(_ members: [(UInt32?, Int)]) -> MessageThreads {
        var threads = MessageThreads()
        for (number, depth) in members { threads.append(number, depth: depth) }
        return threads
    }

    @Test("As the RFC writes them")
    func examples() {
        #expect(printed(MessageThreads()).text == "* THREAD\r\n")
        #expect(
            printed(threads([(2, 0), (3, 0), (6, 1), (4, 2), (23, 3), (44, 2), (7, 3), (96, 4)])).text
                == "* THREAD (2)(3 6 (4 23)(44 7 96))\r\n")
        #expect(printed(threads([(nil, 0), (3, 1), (5, 1)])).text == "* THREAD ((3)(5))\r\n")
        #expect(printed(threads([(nil, 0), (3, 1), (4, 2), (5, 1), (6, 0)])).text == "* THREAD ((3 4)(5))(6)\r\n")
    }

    @Test("A member is never deeper than a child of the last")
    func depths() {
        #expect(threads([(1, 5), (2, 9), (3, -1), (4, 1)]).members.map(\.depth) == [0, 1, 0, 1])
    }

    @Test("Ten thousand levels are printed and read without recursion", .timeLimit(.minutes(1)))
    func deep() {
        var (chain, comb) = (MessageThreads(), MessageThreads())
        for level in 0..<10_000 {
            chain.append(UInt32(level + 1), depth: level)
            comb.append(UInt32(2 * level + 1), depth: level)
        }
        // Every member of the comb's back has a second child, so that each of them opens a list.
        for level in (1..<10_000).reversed() { comb.append(UInt32(2 * level), depth: level) }
        for threads in [chain, comb] {
            let octets = printed(threads)
            #expect(responses(of: [octets]) == [.response(.untagged(.thread(threads)))])
        }
        #expect(printed(comb).text.hasPrefix("* THREAD (1 (3 (5 (7 "))
        #expect(printed(comb).text.hasSuffix("(8))(6))(4))(2))\r\n"))
    }
}
