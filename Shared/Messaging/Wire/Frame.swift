/// The first frame of every message between two services begins with this header; what follows it in the same
/// frame is the body (a protobuf message, or the text of a failure), and further frames are payload.
///
/// One frame for header and body, because CURVE seals each frame by itself. All numbers are little endian:
///
///     0  version   1  kind   2  first detail   3  second detail   4..11  call   12..13  octets of extensions
///     [request: 14..17  remaining microseconds   18..33  transaction]   [credit: 14..17  octets granted]
///     extensions: type (1), length (1), octets; an unknown type is skipped, so later releases may add
struct Frame: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case request(Request)
        case reply
        /// `notBegun`: refused before anything was done, so another replica may be asked without harm.
        case failure(MessagingError.Code, notBegun: Bool)
        /// One item of a reply stream.
        case item
        /// The end of a reply stream.
        case end
        /// Octets of an upload.
        case chunk(isLast: Bool)
        /// More room at the reader's side.
        case credit(UInt32)
        /// The caller wants no answer any more.
        case cancel
        /// The server is about to leave.
        case draining
        /// Finds out whether the peer is there; asks for nothing.
        case ping
        /// From now on a subscriber of this topic hears everything.
        case subscribed
    }

    struct Request: Sendable, Hashable {
        var contract: UInt8
        var method: UInt8
        var remainingMicroseconds: UInt32
        var transaction: TransactionID
        var idempotencyKey: TransactionID?
        /// Set when the payload follows in chunks: how many octets in all.
        var uploadOctets: UInt64?
        /// Set when the answer may be a stream: the credit it begins with.
        var window: UInt32?
    }

    var kind: Kind
    var call: UInt64

    static let version: UInt8 = 1
    static let fixedOctets = 14

    enum Malformation: Error, Hashable {
        case truncated
        case version(UInt8)
        case kind(UInt8)
        case extensions
    }

    private enum Number {
        static let request: UInt8 = 1
        static let reply: UInt8 = 2
        static let failure: UInt8 = 3
        static let item: UInt8 = 4
        static let end: UInt8 = 5
        static let chunk: UInt8 = 6
        static let credit: UInt8 = 7
        static let cancel: UInt8 = 8
        static let draining: UInt8 = 9
        static let ping: UInt8 = 10
        static let subscribed: UInt8 = 11
    }

    private enum Extension {
        static let idempotencyKey: UInt8 = 1
        static let uploadOctets: UInt8 = 2
        static let window: UInt8 = 3
    }

    /// How many octets `encode` writes.
    var encodedOctets: Int {
        switch kind {
        case .request(let request): Self.fixedOctets + 20 + request.extensionOctets
        case .credit: Self.fixedOctets + 4
        case .reply, .failure, .item, .end, .chunk, .cancel, .draining, .ping, .subscribed: Self.fixedOctets
        }
    }

    /// Writes the header at the start of `target`, which has room for `encodedOctets`.
    func encode(into target: UnsafeMutableRawBufferPointer) {
        var writer = OctetWriter(target)
        writer.write(Self.version)
        let (number, first, second) = numbers
        writer.write(number)
        writer.write(first)
        writer.write(second)
        writer.write(call)
        switch kind {
        case .request(let request):
            writer.write(UInt16(truncatingIfNeeded: request.extensionOctets))
            writer.write(request.remainingMicroseconds)
            writer.write(request.transaction)
            if let key = request.idempotencyKey {
                writer.write(Extension.idempotencyKey)
                // The key is mostly the transaction itself: then it need not travel twice.
                writer.write(key == request.transaction ? UInt8(0) : 16)
                if key != request.transaction { writer.write(key) }
            }
            if let octets = request.uploadOctets {
                writer.write(Extension.uploadOctets)
                writer.write(UInt8(8))
                writer.write(octets)
            }
            if let window = request.window {
                writer.write(Extension.window)
                writer.write(UInt8(4))
                writer.write(window)
            }
        case .credit(let octets):
            writer.write(UInt16(0))
            writer.write(octets)
        case .reply, .failure, .item, .end, .chunk, .cancel, .draining, .ping, .subscribed:
            writer.write(UInt16(0))
        }
    }

    private var numbers: (kind: UInt8, first: UInt8, second: UInt8) {
        switch kind {
        case .request(let request): (Number.request, request.contract, request.method)
        case .reply: (Number.reply, 0, 0)
        case .failure(let code, let notBegun): (Number.failure, code.rawValue, notBegun ? 1 : 0)
        case .item: (Number.item, 0, 0)
        case .end: (Number.end, 0, 0)
        case .chunk(let isLast): (Number.chunk, isLast ? 1 : 0, 0)
        case .credit: (Number.credit, 0, 0)
        case .cancel: (Number.cancel, 0, 0)
        case .draining: (Number.draining, 0, 0)
        case .ping: (Number.ping, 0, 0)
        case .subscribed: (Number.subscribed, 0, 0)
        }
    }

    /// Reads a header; the body begins at `length`.
    static func decode(_ octets: UnsafeRawBufferPointer) throws(Malformation) -> (frame: Frame, length: Int) {
        var reader = OctetReader(octets)
        let version: UInt8 = try reader.read()
        guard version == Self.version else { throw .version(version) }
        let number: UInt8 = try reader.read()
        let first: UInt8 = try reader.read()
        let second: UInt8 = try reader.read()
        let call: UInt64 = try reader.read()
        let extensionOctets = Int(try reader.read() as UInt16)
        let kind: Kind
        switch number {
        case Number.request:
            var request = Request(
                contract: first, method: second, remainingMicroseconds: try reader.read(),
                transaction: try reader.readTransaction())
            var extensions = OctetReader(try reader.readSlice(extensionOctets))
            try request.read(&extensions)
            return (Frame(kind: .request(request), call: call), reader.position)
        case Number.reply: kind = .reply
        case Number.failure: kind = .failure(MessagingError.Code(rawValue: first), notBegun: second == 1)
        case Number.item: kind = .item
        case Number.end: kind = .end
        case Number.chunk: kind = .chunk(isLast: first == 1)
        case Number.credit: kind = .credit(try reader.read())
        case Number.cancel: kind = .cancel
        case Number.draining: kind = .draining
        case Number.ping: kind = .ping
        case Number.subscribed: kind = .subscribed
        default: throw .kind(number)
        }
        _ = try reader.readSlice(extensionOctets)
        return (Frame(kind: kind, call: call), reader.position)
    }
}

extension Frame.Request {
    var extensionOctets: Int {
        var count = 0
        if let idempotencyKey { count += idempotencyKey == transaction ? 2 : 18 }
        if uploadOctets != nil { count += 10 }
        if window != nil { count += 6 }
        return count
    }

    fileprivate mutating func read(_ extensions: inout OctetReader) throws(Frame.Malformation) {
        while extensions.remaining > 0 {
            let type: UInt8 = try extensions.read()
            var value = OctetReader(try extensions.readSlice(Int(try extensions.read() as UInt8)))
            switch (type, value.remaining) {
            case (1, 0): idempotencyKey = transaction
            case (1, 16): idempotencyKey = try value.readTransaction()
            case (2, 8): uploadOctets = try value.read()
            case (3, 4): window = try value.read()
            case (1, _), (2, _), (3, _): throw .extensions
            default: break
            }
        }
    }
}

/// Writes little-endian numbers into memory whose size was computed before.
private struct OctetWriter {
    private var rest: UnsafeMutableRawBufferPointer

    init(_ target: UnsafeMutableRawBufferPointer) { rest = target }

    mutating func write(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { octets in
            rest.copyMemory(from: octets)
            rest = UnsafeMutableRawBufferPointer(rebasing: rest[octets.count...])
        }
    }

    mutating func write(_ value: TransactionID) {
        write(value.high)
        write(value.low)
    }
}

/// Reads little-endian numbers; whatever the octets are, it throws rather than traps.
private struct OctetReader {
    private let octets: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ octets: UnsafeRawBufferPointer) { self.octets = octets }

    var remaining: Int { octets.count - position }

    mutating func read<Value: FixedWidthInteger>() throws(Frame.Malformation) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw .truncated }
        defer { position += size }
        return Value(littleEndian: octets.loadUnaligned(fromByteOffset: position, as: Value.self))
    }

    mutating func readTransaction() throws(Frame.Malformation) -> TransactionID {
        TransactionID(high: try read(), low: try read())
    }

    mutating func readSlice(_ count: Int) throws(Frame.Malformation) -> UnsafeRawBufferPointer {
        guard remaining >= count else { throw .truncated }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: octets[position..<position + count])
    }
}
