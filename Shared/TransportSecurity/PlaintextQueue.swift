import NIOCore

/// What waits to be encrypted: the writes in their order, and how many of them are flushed.
struct PlaintextQueue {
    private struct Write {
        var octets: ByteBuffer
        var promise: EventLoopPromise<Void>?
    }

    private var writes = CircularBuffer<Write>(initialCapacity: 2)
    private var flushedCount = 0
    private var flushedOctets = 0

    var hasFlushed: Bool { flushedCount > 0 }

    mutating func append(_ octets: ByteBuffer, promise: EventLoopPromise<Void>?) {
        writes.append(Write(octets: octets, promise: promise))
    }

    /// From here on, all that was written so far may be encrypted.
    mutating func flush() {
        for write in writes.dropFirst(flushedCount) { flushedOctets += write.octets.readableBytes }
        flushedCount = writes.count
    }

    /// Encrypts up to `limit` octets of the flushed writes. Large ones are encrypted where they lie; small ones are
    /// gathered, so that a record (and its 22 octets of overhead) is shared.
    /// - Returns: a promise to be kept when the ciphertext is written, and why it failed, if it did.
    mutating func encrypt(upTo limit: Int, with session: TLSSession, allocator: ByteBufferAllocator)
        -> (promise: EventLoopPromise<Void>?, failure: String?)
    {
        var budget = min(limit, flushedOctets)
        let records = budget / TLSSession.recordSize + 2
        session.ciphertext.reserveOutbound(budget + records * TLSSession.recordOverhead, allocator: allocator)

        var promise: EventLoopPromise<Void>?
        var failure: String?
        var record = ByteBuffer()
        while flushedCount > 0, failure == nil {
            let head = writes[writes.startIndex].octets
            let count = min(head.readableBytes, budget)
            if count == 0, head.readableBytes > 0 { break }
            let isAlone = flushedCount == 1 && record.readableBytes == 0
            if count < TLSSession.recordSize, !isAlone {
                if record.readableBytes + count > TLSSession.recordSize {
                    failure = Self.encrypt(&record, with: session)
                } else if record.capacity == 0 {
                    record = allocator.buffer(capacity: min(TLSSession.recordSize, budget))
                }
                _ = head.withUnsafeReadableBytes { record.writeBytes(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            } else {
                failure = Self.encrypt(&record, with: session)
                if failure == nil {
                    failure = head.withUnsafeReadableBytes {
                        session.encrypt(UnsafeRawBufferPointer(rebasing: $0[..<count]))
                    }
                }
            }
            budget -= count
            advance(by: count, &promise)
        }
        if failure == nil { failure = Self.encrypt(&record, with: session) }
        return (promise, failure)
    }

    /// Takes all promises out, to be failed.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        let promises = writes.compactMap(\.promise)
        self = PlaintextQueue()
        return promises
    }

    private mutating func advance(by count: Int, _ promise: inout EventLoopPromise<Void>?) {
        flushedOctets -= count
        writes[writes.startIndex].octets.moveReaderIndex(forwardBy: count)
        guard writes[writes.startIndex].octets.readableBytes == 0 else { return }
        flushedCount -= 1
        guard let kept = writes.removeFirst().promise else { return }
        if let first = promise {
            first.futureResult.cascade(to: kept)
        } else {
            promise = kept
        }
    }

    private static func encrypt(_ record: inout ByteBuffer, with session: TLSSession) -> String? {
        guard record.readableBytes > 0 else { return nil }
        defer { record.clear() }
        return record.withUnsafeReadableBytes { session.encrypt($0) }
    }
}
