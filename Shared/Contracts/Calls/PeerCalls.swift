import Messaging
import NIOCore
import SwiftProtobuf

/// The client's half of the four kinds of methods.
extension PeerClient {
    func call<Request, Reply>(
        _ method: UnaryMethod<Request, Reply>, _ request: Request, _ context: CallContext
    ) async throws -> Reply {
        let answer = try await call(
            method.contract, method.description, body: ProtobufOctets.encode(request), context: context)
        return try ProtobufOctets.decode(Reply.self, answer.body)
    }

    func call<Request, Reply>(
        _ method: FramedMethod<Request, Reply>, _ request: Request, _ frames: [ByteBuffer], _ context: CallContext
    ) async throws -> Reply {
        let answer = try await call(
            method.contract, method.description, body: ProtobufOctets.encode(request), frames: frames,
            context: context)
        return try ProtobufOctets.decode(Reply.self, answer.body)
    }

    func upload<Request, Reply>(
        _ method: UploadMethod<Request, Reply>, _ request: Request, _ octets: Payload, _ context: CallContext
    ) async throws -> Reply {
        let answer = try await upload(
            method.contract, method.description, body: ProtobufOctets.encode(request), octets: octets,
            context: context)
        return try ProtobufOctets.decode(Reply.self, answer.body)
    }

    func stream<Request, Item>(
        _ method: StreamMethod<Request, Item>, _ request: Request, _ context: CallContext
    ) async throws -> ReplyStream<Item> {
        let items = try await stream(
            method.contract, method.description, body: ProtobufOctets.encode(request), context: context)
        return ReplyStream {
            guard let frame = try await items.next() else { return nil }
            return (try ProtobufOctets.decode(Item.self, frame.body), frame.payload)
        }
    }
}
