import Messaging
import SwiftProtobuf

/// Whether a call may be sent again after a replica died with it.
enum Repetition {
    /// Running it twice does no harm.
    case idempotent
    /// Only with an idempotency key, by which the service recognises the repetition.
    case needsKey
}

/// What travels besides the two messages: a type for each, so that a method is called the way it is served.
enum Shape {
    /// One message in, one message out.
    enum Unary {}
    /// Some payload frames, whose boundaries mean something, with the request.
    enum Framed {}
    /// Any number of octets with the request.
    enum Upload {}
    /// Any number of messages with payload as the answer.
    enum Stream {}
}

/// A method of a contract, whatever its shape and messages.
protocol ContractMethod: Sendable {
    var contract: ContractDescription { get }
    var description: MethodDescription { get }
}

/// A method of a contract: its number on the wire and what it takes and gives.
struct TypedMethod<Shape, Request: Message, Reply: Message>: ContractMethod {
    let contract: ContractDescription
    let description: MethodDescription

    init(_ contract: ContractDescription, _ number: UInt8, _ name: String, _ repetition: Repetition) {
        self.contract = contract
        description = MethodDescription(number: number, name: name, isIdempotent: repetition == .idempotent)
    }
}

typealias UnaryMethod<Request: Message, Reply: Message> = TypedMethod<Shape.Unary, Request, Reply>
typealias FramedMethod<Request: Message, Reply: Message> = TypedMethod<Shape.Framed, Request, Reply>
typealias UploadMethod<Request: Message, Reply: Message> = TypedMethod<Shape.Upload, Request, Reply>
typealias StreamMethod<Request: Message, Item: Message> = TypedMethod<Shape.Stream, Request, Item>
