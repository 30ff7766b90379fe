import Messaging
import NIOCore
import SwiftProtobuf

/// The server's half of the four kinds of methods: what answers each method number of a contract.
struct MethodTable: Sendable {
    typealias Handler = @Sendable (IncomingCall) async throws -> CallResult

    struct Entry: Sendable {
        let number: UInt8
        let handler: Handler

        static func unary<Request, Reply>(
            _ method: UnaryMethod<Request, Reply>,
            _ body: @escaping @Sendable (Request, CallContext) async throws -> Reply
        ) -> Entry {
            Entry(number: method.description.number) { call in
                let request = try ProtobufOctets.decode(Request.self, call.body)
                return .reply(try ProtobufOctets.encode(try await body(request, call.context)))
            }
        }

        static func framed<Request, Reply>(
            _ method: FramedMethod<Request, Reply>,
            _ body: @escaping @Sendable (Request, [ByteBuffer], CallContext) async throws -> Reply
        ) -> Entry {
            Entry(number: method.description.number) { call in
                guard let frames = call.payload.frames else {
                    throw MessagingError(.malformed, "\(method.description.name) takes no upload")
                }
                let request = try ProtobufOctets.decode(Request.self, call.body)
                return .reply(try ProtobufOctets.encode(try await body(request, frames, call.context)))
            }
        }

        static func upload<Request, Reply>(
            _ method: UploadMethod<Request, Reply>,
            _ body: @escaping @Sendable (Request, Payload, CallContext) async throws -> Reply
        ) -> Entry {
            Entry(number: method.description.number) { call in
                let request = try ProtobufOctets.decode(Request.self, call.body)
                return .reply(try ProtobufOctets.encode(try await body(request, call.payload, call.context)))
            }
        }

        static func stream<Request, Item>(
            _ method: StreamMethod<Request, Item>,
            _ body: @escaping @Sendable (Request, CallContext) async throws -> ReplyStream<Item>
        ) -> Entry {
            Entry(number: method.description.number) { call in
                let request = try ProtobufOctets.decode(Request.self, call.body)
                let stream = try await body(request, call.context)
                try await stream.write(
                    to: ReplyWriter { item, payload in
                        try await call.send(ProtobufOctets.encode(item), payload: payload)
                    })
                return .end
            }
        }
    }

    private let handlers: [Handler?]

    init(_ entries: [Entry]) {
        var handlers = [Handler?](repeating: nil, count: 64)
        for entry in entries { handlers[Int(entry.number)] = entry.handler }
        self.handlers = handlers
    }

    func handle(_ call: IncomingCall) async throws -> CallResult {
        guard call.method < handlers.count, let handler = handlers[Int(call.method)] else {
            throw MessagingError(.unknownMethod, "method \(call.method)")
        }
        return try await handler(call)
    }
}
