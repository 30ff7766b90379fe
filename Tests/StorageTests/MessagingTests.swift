import Contracts
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Storage

@Suite("Storage over messaging")
struct MessagingTests {
    @Test("takes large messages as uploads, and gives views and octets as streams")
    func streams() async throws {
        try await withStorage { storage in
            let pair = try MessagingPair.inproc([
                DirectoryServer(storage.engine.directory), DeliveryServer(storage.engine.delivery),
                MailStoreServer(storage.engine.mailStore),
            ])
            let alice = try await storage.account("alice@example.test")
            let resolved = try await DirectoryClient(pair.client).resolve(
                ResolveRequest.with { $0.addresses = ["alice@example.test"] }, CallContext())
            #expect(resolved.resolutions.first?.targets.first?.accountID == alice)

            let delivery = DeliveryClient(pair.client)
            let octets = ByteBuffer(bytes: (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            let staged = try await delivery.stage(
                StageRequest(), octets: Payload(octets), CallContext(timeout: .seconds(30)))
            var request = CommitRequest()
            request.content.stagedContentID = staged.contentID
            request.content.headerOctets = 1000
            request.content.bodyOctets = staged.octets - 1000
            request.dispositions = [.store(alice)]
            let result = try #require(
                try await delivery.commit(request, payload: [ByteBuffer()], CallContext()).results.first)
            #expect(result.outcome == .done)

            let mailStore = MailStoreClient(pair.client)
            var read = ByteBuffer()
            let range = FetchOctetsRequest.with {
                $0.accountID = alice
                $0.mailboxID = result.mailboxID
                $0.uid = result.uid
            }
            for try await (_, payload) in try await mailStore.fetchOctets(range, CallContext(timeout: .seconds(30))) {
                for var frame in payload { read.writeBuffer(&frame) }
            }
            #expect(read == octets)

            // A reader that leaves the stream leaves nothing behind: every connection is free again.
            for _ in 0..<20 {
                for try await _ in try await mailStore.fetchOctets(range, CallContext()) { break }
            }
            var items = 0
            let view = ViewRequest.with {
                $0.accountID = alice
                $0.mailboxID = result.mailboxID
            }
            for try await (item, payload) in try await mailStore.view(view, CallContext()) {
                #expect(item.count == 1 && payload.map(\.readableBytes) == [4, 8, 8, 8, 4])
                items += 1
            }
            #expect(items == 1)
            await pair.close()
        }
    }
}
