import Contracts
import Messaging
import NIOCore
import SwiftProtobuf
import TestSupport
import Testing

struct StubDirectory: Directory {
    func resolve(_ request: ResolveRequest, _ context: CallContext) async throws -> ResolveReply {
        var reply = ResolveReply()
        reply.resolutions = request.addresses.map { address in
            var resolution = ResolveReply.Resolution()
            resolution.outcome = address.hasSuffix("@example.test") ? .accepted : .notLocal
            return resolution
        }
        return reply
    }
}

struct StubAcceptance: Acceptance {
    func accept(_ request: AcceptRequest, message: Payload, _ context: CallContext) async throws -> AcceptReply {
        let octets = try await message.collect(upTo: 1 << 24)
        var status = TransactionStatus()
        status.code = 250
        status.text = "\(octets.readableBytes) octets, \(context.transaction)"
        var reply = AcceptReply()
        reply.statuses = [status]
        return reply
    }
}

struct StubDelivery: Delivery {
    func commit(
        _ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> CommitReply {
        var reply = CommitReply()
        reply.results = payload.map { frame in
            var result = CommitReply.Result()
            result.outcome = .done
            result.uid = UInt32(frame.readableBytes)
            return result
        }
        return reply
    }

    func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        var reply = StageReply()
        for try await chunk in octets { reply.octets += Int64(chunk.readableBytes) }
        return reply
    }
}

struct StubMailStore: MailStore {
    func fetch(_ request: FetchRequest, _ context: CallContext) async throws -> ReplyStream<FetchPage> {
        ReplyStream(writing: { writer in
            for uid in request.uids {
                var message = FetchedMessage(uid: uid)
                message.header = ByteBuffer(string: "header of \(uid)")
                let (page, payload) = FetchPage.page(of: [message], [.header])
                try await writer.send(page, payload: payload)
            }
        })
    }

    func fetchOctets(
        _ request: FetchOctetsRequest, _ context: CallContext
    ) async throws -> ReplyStream<FetchOctetsItem> {
        var item = FetchOctetsItem()
        item.found = true
        item.totalOctets = 5
        return ReplyStream(item, payload: [ByteBuffer(string: "whole")])
    }
}

@Suite(.timeLimit(.minutes(5)))
struct ContractTests {
    @Test func aUnaryCall() async throws {
        let pair = try MessagingPair.inproc([DirectoryServer(StubDirectory())])
        var request = ResolveRequest()
        request.addresses = ["alice@example.test", "eve@elsewhere.test"]
        let reply = try await DirectoryClient(pair.client).resolve(request, CallContext())
        #expect(reply.resolutions.map(\.outcome) == [.accepted, .notLocal])
        await pair.close()
    }

    @Test(arguments: [0, 200, 256 * 1024, 3_000_000])
    func anUpload(octets: Int) async throws {
        let pair = try MessagingPair.ipc([AcceptanceServer(StubAcceptance())], caller: "smtp-ingress")
        let context = CallContext(idempotencyKey: .next())
        let reply = try await AcceptanceClient(pair.client).accept(
            AcceptRequest(), message: Payload(ByteBuffer(repeating: 0x41, count: octets)), context)
        #expect(reply.statuses.map(\.text) == ["\(octets) octets, \(context.transaction)"])
        await pair.close()
    }

    @Test func framesOfACommitKeepTheirBoundaries() async throws {
        let pair = try MessagingPair.ipc([DeliveryServer(StubDelivery())], caller: "content-processing")
        let client = DeliveryClient(pair.client)
        let frames = [10, 0, 300_000].map { ByteBuffer(repeating: 1, count: $0) }
        let reply = try await client.commit(CommitRequest(), payload: frames, CallContext(idempotencyKey: .next()))
        #expect(reply.results.map(\.uid) == [10, 0, 300_000])
        let staged = try await client.stage(
            StageRequest(), octets: Payload(ByteBuffer(repeating: 1, count: 700_000)), CallContext())
        #expect(staged.octets == 700_000)
        await pair.close()
    }

    @Test func aStream() async throws {
        let pair = try MessagingPair.ipc([MailStoreServer(StubMailStore())], caller: "imap-access")
        let client = MailStoreClient(pair.client)
        var request = FetchRequest()
        request.uids = Array(1...2_000)
        var uids: [UInt32] = []
        for try await (page, payload) in try await client.fetch(request, CallContext()) {
            for message in try page.messages(payload) {
                #expect(message.header == ByteBuffer(string: "header of \(message.uid)"))
                uids.append(message.uid)
            }
        }
        #expect(uids == request.uids)
        for try await (item, payload) in try await client.fetchOctets(FetchOctetsRequest(), CallContext()) {
            #expect(item.totalOctets == 5 && payload == [ByteBuffer(string: "whole")])
        }
        await pair.close()
    }

    @Test func leavingAStreamEarlyFreesTheServer() async throws {
        let pair = try MessagingPair.ipc([MailStoreServer(StubMailStore())], caller: "imap-access")
        var request = FetchRequest()
        request.uids = Array(1...100_000)
        for try await (page, _) in try await MailStoreClient(pair.client).fetch(request, CallContext()) {
            if page.uids == [10] { break }
        }
        while pair.server.requestsInFlight > 0 { await Task.yield() }
        await pair.close()
    }

    @Test func aMethodThatAServiceDoesNotKnowIsAnswered() async throws {
        let pair = try MessagingPair.inproc([DirectoryServer(StubDirectory())])
        await #expect(throws: MessagingError.self) {
            try await DirectoryClient(pair.client).addDomain(AddDomainRequest(), CallContext())
        }
        await #expect(throws: MessagingError.self) {
            try await SaslClient(pair.client).mechanisms(SaslMechanismsRequest(), CallContext())
        }
        await pair.close()
    }

    @Test func fieldsOfALaterReleaseAreIgnored() async throws {
        let pair = try MessagingPair.inproc([DirectoryServer(StubDirectory())])
        // Field 999, varint 5: what a later release may have added to the request.
        var request = try ResolveRequest(serializedBytes: [0xB8, 0x3E, 0x05])
        request.addresses = ["alice@example.test"]
        let reply = try await DirectoryClient(pair.client).resolve(request, CallContext())
        #expect(reply.resolutions.map(\.outcome) == [.accepted])
        await pair.close()
    }

    @Test func aBodyThatIsNoProtobufIsMalformed() async throws {
        let pair = try MessagingPair.inproc([DirectoryServer(StubDirectory())])
        do {
            _ = try await pair.client.call(
                ContractDescription(number: 1, name: "Directory"),
                MethodDescription(number: 1, name: "resolve", isIdempotent: true),
                body: ByteBuffer(repeating: 0xFF, count: 30), context: CallContext())
            Issue.record("it was understood")
        } catch {
            #expect(error.code == .malformed)
        }
        await pair.close()
    }

    @Test func mailboxChangesAreHeard() async throws {
        let directory = try TemporaryDirectory()
        let keys = try CurveKeyPair.generate()
        let context = try MessagingContext(keys: keys, logger: .quiet)
        let publisher = try EventPublisher(
            context, endpoint: "ipc://\(directory.path)/storage.0.events.sock",
            peers: [keys.publicKey: PeerIdentity(service: "imap-access")])
        let subscriber = EventSubscriber(
            context, service: "storage", replicas: .endpoints([publisher.endpoint]), serverKey: keys.publicKey)
        var notices = subscriber.subscribe(MailboxTopic.account(7)).makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        var change = MailboxChanged()
        change.accountID = 7
        change.highestModseq = 99
        publisher.publish(change)
        #expect(await notices.next()?.mailboxChanged == change)
        await context.shutdown()
    }
}
