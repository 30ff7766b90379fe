import Contracts
import Messaging
import NIOCore

/// The index of texts, as storage keeps it.
extension MemoryStore {
    package func textIndex(
        _ request: TextIndexRequest, _ context: CallContext
    ) async throws -> ReplyStream<TextIndexPage> {
        try call("textIndex") { state in
            let segments = state.mailboxes.first { $0.id == request.mailboxID }?.textSegments ?? []
            let pages = segments.map { segment in
                var page = TextIndexPage()
                page.segments = 1
                var rows = ByteBuffer()
                for row in request.rows {
                    let start = segment.signatures.readerIndex + Int(row) * TextSegment.rowOctets
                    rows.writeImmutableBuffer(
                        segment.signatures.getSlice(at: start, length: TextSegment.rowOctets) ?? ByteBuffer())
                }
                return (item: page, payload: [segment.uids, rows])
            }
            return (ReplyStream(pages), nil)
        }
    }

    package func addTextSegment(
        _ request: AddTextSegmentRequest, payload: [ByteBuffer], _ context: CallContext
    ) async throws -> AddTextSegmentReply {
        try call("addTextSegment") { state in
            guard payload.map(\.readableBytes) == [TextSegment.uidOctets, TextSegment.octets] else {
                throw MessagingError(.malformed, "no segment")
            }
            if let index = state.mailboxes.firstIndex(where: { $0.id == request.mailboxID }) {
                state.mailboxes[index].textSegments.append((payload[0], payload[1]))
            }
            return (AddTextSegmentReply(), nil)
        }
    }
}
