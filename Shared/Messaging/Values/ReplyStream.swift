import NIOCore

/// The items of an answer that is too large for one message, pulled by the reader.
///
/// Whoever reads grants credit as it consumes, and whoever writes never runs ahead of it. Dropping the stream, or
/// leaving the loop early, cancels it on both sides. It is read once, by one reader.
///
/// A server's implementation returns one, made in any of three ways:
///
///     ReplyStream([(item, [buffer])])                          // from a sequence: what a stub does
///     ReplyStream { try await rows.next().map { ($0, []) } }   // item by item, nil at the end
///     ReplyStream(writing: { writer in                         // a writer that waits for credit
///         for row in rows { try await writer.send(row.item, payload: [row.octets]) }
///     })
public struct ReplyStream<Item: Sendable>: AsyncSequence, Sendable {
    /// What reading gives.
    public typealias Element = (item: Item, payload: [ByteBuffer])
    /// What reading may throw.
    public typealias Failure = any Error

    enum Storage: Sendable {
        case elements([Element])
        case unfolding(@Sendable () async throws -> Element?)
        case writing(@Sendable (ReplyWriter<Item>) async throws -> Void)
    }

    let storage: Storage

    /// A stream of what is known already.
    public init(_ elements: [Element]) { storage = .elements(elements) }

    /// A stream of one item.
    public init(_ item: Item, payload: [ByteBuffer] = []) { storage = .elements([(item, payload)]) }

    /// A stream that asks for each item when there is room for it; nil ends it.
    public init(unfolding next: @escaping @Sendable () async throws -> Element?) { storage = .unfolding(next) }

    /// A stream whose items `body` writes; `send` waits while the reader is behind. The end of `body` is the end
    /// of the stream, and what it throws is thrown to the reader. `body` runs in the task of the call.
    public init(writing body: @escaping @Sendable (ReplyWriter<Item>) async throws -> Void) { storage = .writing(body) }

    /// Begins to read.
    public func makeAsyncIterator() -> Iterator {
        switch storage {
        case .elements(let elements): Iterator(source: .elements(elements[...]))
        case .unfolding(let next): Iterator(source: .unfolding(next))
        case .writing(let body): Iterator(source: .handover(Handover(body)))
        }
    }

    /// Writes all items to `writer`, in the caller's task: how a server skeleton sends a stream.
    public func write(to writer: ReplyWriter<Item>) async throws {
        switch storage {
        case .elements(let elements):
            for element in elements { try await writer.send(element.item, payload: element.payload) }
        case .unfolding(let next):
            while let element = try await next() { try await writer.send(element.item, payload: element.payload) }
        case .writing(let body):
            try await body(writer)
        }
    }

    /// Reads the stream.
    public struct Iterator: AsyncIteratorProtocol {
        enum Source {
            case elements(ArraySlice<Element>)
            case unfolding(@Sendable () async throws -> Element?)
            case handover(Handover<Item>)
        }

        var source: Source

        /// The next item; nil at the end.
        public mutating func next() async throws -> Element? {
            switch source {
            case .elements(var elements):
                let element = elements.popFirst()
                source = .elements(elements)
                return element
            case .unfolding(let next):
                return try await next()
            case .handover(let handover):
                return try await handover.next()
            }
        }
    }
}

/// What a stream is written to; `send` returns when the item has been accepted within the reader's credit.
public struct ReplyWriter<Item: Sendable>: Sendable {
    private let sender: @Sendable (Item, [ByteBuffer]) async throws -> Void

    /// A writer that passes each item on.
    public init(_ sender: @escaping @Sendable (Item, [ByteBuffer]) async throws -> Void) { self.sender = sender }

    /// Sends one item; waits while the reader is behind, throws when it has gone.
    public func send(_ item: Item, payload: [ByteBuffer] = []) async throws { try await sender(item, payload) }
}
