import NIOCore

/// A CR or LF that stood alone in a message's text.
public enum NewlineViolation: Sendable, Hashable {
    /// CR that no LF follows.
    case bareCarriageReturn
    /// LF that no CR precedes.
    case bareLineFeed
}

/// Reads what follows DATA: takes away the dots that were put before dots, and finds the end (RFC 5321, 4.5.2).
///
/// Only CRLF "." CRLF ends the text. Servers that also took LF "." LF or the like for the end could be fed a second
/// message that an earlier server had seen as text of the first (SMTP smuggling), so here a CR or LF of its own is
/// never more than an octet of text, and `violation` tells that there was one: such a message is to be refused at its
/// end (RFC 5321, 2.3.8).
///
/// Content comes out in slices of what went in: octets that are dropped lie between two of them.
public struct DataDecoder: Sendable {
    /// One step.
    public enum Piece: Sendable, Hashable {
        /// The next octets of the message.
        case content(ByteBuffer)
        /// The text has ended; what is left in the buffer belongs to the next command.
        case end
        /// The buffer is used up.
        case needMore
    }

    private enum State: Sendable {
        /// At the beginning of a line.
        case lineStart
        /// Behind a dot that began a line; the dot is not part of the message in any case.
        case dot
        /// Behind dot CR.
        case dotCR
        /// Within a line.
        case text
        /// Behind a CR within a line; it has been given out.
        case cr
    }

    private var state = State.lineStart
    /// The first CR or LF of its own, if there was any.
    public private(set) var violation: NewlineViolation?

    /// At the beginning of the text.
    public init() {}

    /// The next piece of the stream.
    public mutating func next(_ input: inout ByteBuffer) -> Piece {
        let (start, end, isEnd) = input.withUnsafeReadableBytes { octets in scan(octets) }
        input.moveReaderIndex(forwardBy: start)
        if end > start, let content = input.readSlice(length: end - start) { return .content(content) }
        return isEnd ? .end : .needMore
    }

    /// Content stands from `start` to `end`; what is before `start` is dropped.
    private mutating func scan(_ octets: UnsafeRawBufferPointer) -> (start: Int, end: Int, isEnd: Bool) {
        var index = 0
        skipping: while index < octets.count {
            switch state {
            case .lineStart:
                guard octets[index] == Octet.dot else { break skipping }
                state = .dot
                index += 1
            case .dot:
                guard octets[index] == Octet.carriageReturn else {
                    state = .text
                    break skipping
                }
                state = .dotCR
                index += 1
            case .dotCR:
                if octets[index] == Octet.lineFeed {
                    state = .lineStart
                    return (index + 1, index + 1, true)
                }
                violation = violation ?? .bareCarriageReturn
                state = .text
                break skipping
            case .text, .cr:
                break skipping
            }
        }
        let start = index
        while index < octets.count {
            switch state {
            case .lineStart:
                if octets[index] == Octet.dot { return (start, index, false) }
                state = .text
            case .cr:
                if octets[index] == Octet.lineFeed {
                    state = .lineStart
                    index += 1
                } else {
                    violation = violation ?? .bareCarriageReturn
                    state = .text
                }
            case .text:
                let end = octets.firstOffset(of: Octet.carriageReturn, from: index, to: octets.count) ?? octets.count
                if violation == nil, octets.firstOffset(of: Octet.lineFeed, from: index, to: end) != nil {
                    violation = .bareLineFeed
                }
                index = end
                if index < octets.count {
                    state = .cr
                    index += 1
                }
            case .dot, .dotCR:
                return (start, index, false)
            }
        }
        return (start, index, false)
    }
}

/// Looks for a CR or LF of its own in text that comes by BDAT, where the length tells the end and nothing is escaped.
public struct NewlineChecker: Sendable {
    private var isBehindCR = false
    /// The first one, if there was any.
    public private(set) var violation: NewlineViolation?

    /// At the beginning.
    public init() {}

    /// Looks at the next octets.
    public mutating func check(_ content: ByteBuffer) {
        guard violation == nil else { return }
        content.withUnsafeReadableBytes { octets in
            var index = 0
            while index < octets.count {
                if isBehindCR {
                    isBehindCR = false
                    guard octets[index] == Octet.lineFeed else {
                        violation = .bareCarriageReturn
                        return
                    }
                    index += 1
                    continue
                }
                let end = octets.firstOffset(of: Octet.carriageReturn, from: index, to: octets.count) ?? octets.count
                if octets.firstOffset(of: Octet.lineFeed, from: index, to: end) != nil {
                    violation = .bareLineFeed
                    return
                }
                index = end
                if index < octets.count {
                    isBehindCR = true
                    index += 1
                }
            }
        }
    }

    /// The text has ended: a CR at its end has no LF.
    public mutating func finish() {
        if isBehindCR { violation = violation ?? .bareCarriageReturn }
    }
}
