import Messaging
import NIOCore
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EventTests {
    struct Setting {
        let directory: TemporaryDirectory
        let keys: CurveKeyPair
        let context: MessagingContext
        let subscriber: EventSubscriber

        init() throws {
            directory = try TemporaryDirectory()
            keys = try CurveKeyPair.generate()
            context = try MessagingContext(keys: keys, logger: .quiet)
            subscriber = EventSubscriber(
                context, service: "storage", replicas: .directory(directory.path), serverKey: keys.publicKey)
        }

        func publisher(_ replica: Int) throws -> (MessagingContext, EventPublisher) {
            let context = try MessagingContext(keys: keys, logger: .quiet)
            let endpoint = ServiceEndpoint.events(directory: directory.path, service: "storage", replica: replica)
            return (
                context,
                try EventPublisher(
                    context, endpoint: endpoint, peers: [keys.publicKey: PeerIdentity(service: "imap-access")])
            )
        }
    }

    @Test func aSubscriptionBeginsWithALapseAndThenMissesNothing() async throws {
        let setting = try Setting()
        let (context, publisher) = try setting.publisher(0)
        var notices = setting.subscriber.subscribe("mailbox/1/").makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        for number in 0..<500 { publisher.publish(topic: "mailbox/1/", body: ByteBuffer(integer: number)) }
        for number in 0..<500 {
            #expect(await notices.next() == .event(topic: "mailbox/1/", body: ByteBuffer(integer: number)))
        }
        await setting.context.shutdown()
        await context.shutdown()
    }

    @Test func onlyTheTopicItselfIsHeard() async throws {
        let setting = try Setting()
        let (context, publisher) = try setting.publisher(0)
        var notices = setting.subscriber.subscribe("a").makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        publisher.publish(topic: "b", body: ByteBuffer(string: "other"))
        publisher.publish(topic: "ab", body: ByteBuffer(string: "prefix"))
        publisher.publish(topic: "a", body: ByteBuffer(string: "own"))
        #expect(await notices.next() == .event(topic: "a", body: ByteBuffer(string: "own")))
        await setting.context.shutdown()
        await context.shutdown()
    }

    @Test func aPublisherThatReturnsIsHeardAgainAfterALapse() async throws {
        let setting = try Setting()
        let (first, gone) = try setting.publisher(0)
        var notices = setting.subscriber.subscribe("t").makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        await gone.close()
        await first.shutdown()
        let (second, publisher) = try setting.publisher(0)
        #expect(await notices.next() == .lapse)
        publisher.publish(topic: "t", body: ByteBuffer(string: "after"))
        #expect(await notices.next() == .event(topic: "t", body: ByteBuffer(string: "after")))
        await setting.context.shutdown()
        await second.shutdown()
    }

    @Test func everyReplicaIsHeardAndNewOnesAreFound() async throws {
        let setting = try Setting()
        let (first, one) = try setting.publisher(0)
        var notices = setting.subscriber.subscribe("t").makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        let (second, two) = try setting.publisher(1)
        #expect(await notices.next() == .lapse)
        one.publish(topic: "t", body: ByteBuffer(string: "same"))
        two.publish(topic: "t", body: ByteBuffer(string: "same"))
        #expect(await notices.next() == .event(topic: "t", body: ByteBuffer(string: "same")))
        #expect(await notices.next() == .event(topic: "t", body: ByteBuffer(string: "same")))
        await setting.context.shutdown()
        await first.shutdown()
        await second.shutdown()
    }

    @Test func aReaderThatIsTooSlowIsToldOfALapse() async throws {
        let setting = try Setting()
        let (context, publisher) = try setting.publisher(0)
        let slow = setting.subscriber.subscribe("t")
        var notices = slow.makeAsyncIterator()
        #expect(await notices.next() == .lapse)
        var witness = setting.subscriber.subscribe("end").makeAsyncIterator()
        #expect(await witness.next() == .lapse)
        for number in 0..<1_500 { publisher.publish(topic: "t", body: ByteBuffer(integer: number)) }
        publisher.publish(topic: "end", body: ByteBuffer())
        _ = await witness.next()
        #expect(await notices.next() == .lapse)
        var last: EventNotice?
        for _ in 0..<(1_500 - 1_025) { last = await notices.next() }
        #expect(last == .event(topic: "t", body: ByteBuffer(integer: 1_499)))
        await setting.context.shutdown()
        await context.shutdown()
    }

    @Test func aSubscriptionEndsWithItsTaskAndWithItsSubscriber() async throws {
        let setting = try Setting()
        let subscription = setting.subscriber.subscribe("t")
        let reader = Task {
            var count = 0
            for await _ in subscription { count += 1 }
            return count
        }
        reader.cancel()
        #expect(await reader.value == 0)
        let another = setting.subscriber.subscribe("u")
        await setting.subscriber.close()
        for await _ in another { Issue.record("a closed subscriber hears nothing") }
        await setting.context.shutdown()
    }

    @Test func aKeyThatIsNamedLaterHearsWithoutARestart() async throws {
        let setting = try Setting()
        let refused = Gate()
        let context = try MessagingContext(
            keys: setting.keys, logger: .opening(refused, at: "connection refused"))
        let publisher = try EventPublisher(
            context,
            endpoint: ServiceEndpoint.events(directory: setting.directory.path, service: "storage", replica: 0))
        var notices = setting.subscriber.subscribe("t").makeAsyncIterator()
        await refused.wait()
        publisher.setPeers([setting.keys.publicKey: PeerIdentity(service: "imap-access")])
        #expect(await notices.next() == .lapse)
        publisher.publish(topic: "t", body: ByteBuffer(string: "heard"))
        #expect(await notices.next() == .event(topic: "t", body: ByteBuffer(string: "heard")))
        await setting.context.shutdown()
        await context.shutdown()
    }

    @Test func aKeyThatIsNotNamedHearsNothing() async throws {
        let setting = try Setting()
        let (context, publisher) = try setting.publisher(0)
        publisher.setPeers([:])
        let stranger = EventSubscriber(
            setting.context, service: "storage", replicas: .directory(setting.directory.path),
            serverKey: setting.keys.publicKey)
        let reader = Task { () -> EventNotice? in
            var notices = stranger.subscribe("t").makeAsyncIterator()
            return await notices.next()
        }
        try await Task.sleep(for: .milliseconds(300))
        publisher.publish(topic: "t", body: ByteBuffer(string: "secret"))
        try await Task.sleep(for: .milliseconds(100))
        reader.cancel()
        #expect(await reader.value == nil)
        await setting.context.shutdown()
        await context.shutdown()
    }
}
