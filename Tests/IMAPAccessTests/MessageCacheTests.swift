import Contracts
import NIOCore
import TestSupport
import Testing

@testable import IMAPAccess

@Suite("Messages kept near the readers")
struct MessageCacheTests {
    private func request(_ choose: (inout FetchRequest) -> Void) -> FetchRequest {
        var request = FetchRequest()
        choose(&request)
        return request
    }

    private func message(_ uid: UInt32, octets: Int = 100) -> FetchedMessage {
        var message = FetchedMessage(uid: uid)
        message.octets = Int64(octets)
        message.prefixOctets = 3
        message.headerOctets = 4
        return message
    }

    private func whole(_ uid: UInt32, octets: Int = 100) -> FetchedMessage {
        var message = message(uid, octets: octets)
        message.whole = ByteBuffer(repeating: UInt8(uid % 100), count: octets)
        return message
    }

    private var envelopes: FetchRequest { request { $0.envelope = true } }
    private var headers: FetchRequest { request { $0.header = true } }
    private var wholes: FetchRequest { request { $0.wholeOctets = 256 * 1024 } }

    @Test("are given when all that is asked for is known of all of them")
    func all() {
        let cache = MessageCache(octets: 1 << 20)
        var first = message(1)
        first.envelope = ByteBuffer(string: "(1)")
        cache.keep([first, whole(2)], envelopes)
        #expect(cache.known([1], in: 5, envelopes) == [first])
        #expect(cache.known([1, 2], in: 5, envelopes) == nil)
        #expect(cache.known([1], in: 6, envelopes) == nil)
        #expect(cache.known([1, 3], in: 5, envelopes) == nil)
        #expect(cache.known([1], in: 5, request { $0.rowOnly = true }) == nil)
        // What two reads found is known together.
        cache.keep([whole(1)], wholes)
        let both = request {
            $0.envelope = true
            $0.wholeOctets = 1000
        }
        let known = cache.known([1], in: 5, both)
        #expect(known?.first?.envelope == first.envelope && known?.first?.whole == whole(1).whole)
    }

    @Test("have their headers in them")
    func headersOfWhole() {
        let cache = MessageCache(octets: 1 << 20)
        cache.keep([whole(7)], wholes)
        #expect(cache.known([7], in: 5, headers)?.first?.header == ByteBuffer(repeating: 7, count: 7))
    }

    @Test("are not the large ones; that one is too large to come whole is known")
    func large() {
        let cache = MessageCache(octets: 1 << 20)
        cache.keep([whole(1, octets: 100_000)], wholes)
        #expect(cache.known([1], in: 5, wholes) == nil)
        let less = cache.known([1], in: 5, request { $0.wholeOctets = 16 * 1024 })
        #expect(less?.count == 1 && less?.first?.whole == nil)
    }

    @Test("take no more room than they may, and those asked for stay longest")
    func room() {
        let cache = MessageCache(octets: 100_000)
        for uid: UInt32 in 1...1000 {
            cache.keep([whole(uid, octets: 1000)], wholes)
            #expect(cache.known([1], in: 5, wholes) != nil, "\(uid)")
        }
        let kept = (1...1000).filter { cache.known([$0], in: 5, wholes) != nil }
        #expect(kept.contains(1) && kept.contains(1000) && kept.count < 100_000 / 1000)
        let none = MessageCache(octets: 0)
        none.keep([whole(1)], wholes)
        #expect(none.messages([1], in: 5, wholes) == nil)
    }

    @Test("are, of more than there is room for, those that came first: they are found again", .timeLimit(.minutes(1)))
    func scans() async throws {
        var limits = Limits()
        limits.cachedOctets = 400_000
        try await TestServer.run(limits: limits) { server in
            for number in 1...600 { server.store.deliver("Subject: \(number)\r\n\r\nbody\r\n") }
            let client = try await server.select()
            func reads() async throws -> Int {
                let before = server.store.calls("fetched messages")
                #expect(try await client.ok("FETCH 1:* (ENVELOPE)").count == 600)
                return server.store.calls("fetched messages") - before
            }
            #expect(try await reads() == 600)
            let again = try await reads()
            #expect(again > 0 && again < 400)
            #expect(try await reads() == again)
            await client.close()
        }
    }

    @Test("are read from storage once, by whichever session", .timeLimit(.minutes(1)))
    func sessions() async throws {
        try await TestServer.run { server in
            for number in 1...600 { server.store.deliver("Subject: \(number)\r\n\r\nbody \(number)\r\n") }
            let client = try await server.select()
            let commands = ["FETCH 1:* (ENVELOPE BODYSTRUCTURE)", "FETCH 1:* BODY.PEEK[]", "FETCH 300 BODY.PEEK[TEXT]"]
            var first: [[String]] = []
            for command in commands { first.append(try await client.ok(command)) }
            let asked = server.store.calls("fetch")
            #expect(asked == 2)
            let other = try await server.select()
            for (command, answer) in zip(commands, first) { #expect(try await other.ok(command) == answer) }
            #expect(try await other.ok("FETCH 299:300 BODY.PEEK[HEADER.FIELDS (SUBJECT)]").count == 2)
            #expect(server.store.calls("fetch") == asked)
            // What is new is read, between what is known.
            server.store.deliver("Subject: new\r\n\r\nnew\r\n")
            _ = try await other.ok("NOOP")
            #expect(try await other.ok("FETCH 590:* BODY.PEEK[TEXT]").last?.hasSuffix("new\r\n)") == true)
            #expect(server.store.calls("fetch") == asked + 1)
            await client.close()
            await other.close()
        }
    }
}

extension MessageCache {
    /// In mailbox 5, with all room that a command has.
    fileprivate func keep(_ messages: [FetchedMessage], _ request: FetchRequest) {
        var room = commandRoom
        keep(messages, in: 5, request, &room)
    }

    fileprivate func known(_ uids: [UInt32], in mailboxID: Int64, _ request: FetchRequest) -> [FetchedMessage]? {
        messages(uids, in: mailboxID, request)?.map { $0.message(for: request) }
    }
}
