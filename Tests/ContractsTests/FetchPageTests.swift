import Contracts
import Messaging
import NIOCore
import Testing

@Suite("A page of messages")
struct FetchPageTests {
    static let messages: [FetchedMessage] = (UInt32(1)...3).map { uid in
        var message = FetchedMessage(uid: uid)
        message.octets = Int64(10 * uid)
        message.prefixOctets = 1
        message.headerOctets = 2
        message.contentID = 70 + Int64(uid)
        message.savedAt = 80
        message.envelope = ByteBuffer(string: String(repeating: "e", count: Int(uid) - 1))
        message.whole = uid == 2 ? nil : ByteBuffer(string: String(repeating: "w", count: 10 * Int(uid)))
        return message
    }

    @Test("gives back what was put into it; what is too large to be whole is not there")
    func roundTrip() throws {
        let (page, payload) = FetchPage.page(of: Self.messages, [.envelope, .whole])
        #expect(payload.map(\.readableBytes) == [3, 40])
        #expect(try page.messages(payload) == Self.messages)
        let (rows, nothing) = FetchPage.page(of: Self.messages, [])
        #expect(nothing.isEmpty)
        #expect(try rows.messages([]).map(\.contentID) == [71, 72, 73])
        #expect(try rows.messages([]).allSatisfy { $0.envelope == nil && $0.whole == nil })
    }

    @Test(
        "whose lists and frames do not fit together is refused",
        arguments: [
            { page, _ in page.octets.removeLast() },
            { page, _ in page.contentIds.append(1) },
            { page, _ in page.columns.removeLast() },
            { page, _ in page.columns[0].lengths.removeLast() },
            { page, _ in page.columns[0].lengths[0] = .max },
            { _, payload in payload.removeLast() },
            { _, payload in payload[1].writeString("more") },
        ] as [@Sendable (inout FetchPage, inout [ByteBuffer]) -> Void])
    func malformed(_ spoil: @Sendable (inout FetchPage, inout [ByteBuffer]) -> Void) {
        var (page, payload) = FetchPage.page(of: Self.messages, [.envelope, .whole])
        spoil(&page, &payload)
        #expect(throws: MessagingError.self) { try page.messages(payload) }
    }
}
