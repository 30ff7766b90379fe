#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads a message once, as it passes, and finds where everything in it lies.
///
/// Octets are taken in chunks of any size; how they are cut never changes the result. Between chunks the parser keeps
/// the header block of the part that it is in (bounded), the beginning of a line that the chunk's end cut (bounded),
/// and the index so far. It changes nothing, and it does not recurse: what is open is a stack of at most
/// ``MIMELimits/depth`` entries.
///
/// Reading is generous, as mail needs: CRLF and bare LF both end lines; a header block ends at its empty line only
/// (or at a boundary); a boundary that nobody closed ends where its parent's ends (RFC 2046, 5.1.2); a multipart
/// without any part, or without a boundary parameter, is a text (RFC 2045, 5.2); a message/rfc822 in base64, which
/// RFC 2046, 5.2.1 forbids, is an opaque leaf.
public struct MessageParser: Sendable {
    /// An entity whose end has not been seen.
    struct OpenEntity: Sendable {
        /// Its position in `parts`.
        var part: Int
        /// Lines before its body.
        var linesBeforeBody: Int
        /// What separates its parts; nil when it is no multipart, or its close delimiter was seen.
        var boundary: [UInt8]?
    }

    enum State: Sendable {
        /// In the header block of the innermost open entity.
        case header
        /// In a body, or between parts.
        case body
    }

    /// Octets of a line that decide whether it is a boundary; RFC 2046 allows boundaries of 70.
    static let lineHeadLimit = 1024

    let limits: MIMELimits
    var parts: [MIMEPart]
    var open: [OpenEntity]
    var state: State = .header
    /// How many of `open` have a boundary; without any, bodies are only counted.
    var boundaryCount = 0
    /// The header block being collected, up to its limit.
    var headerOctets: [UInt8] = []
    /// The message's own header block, once complete.
    var rootHeader: HeaderBlock?
    /// Where the current line begins.
    var lineStart = 0
    /// Line ends seen.
    var lineCount = 0
    /// Octets of the line end before the current line: 0, 1 or 2.
    var previousLineEnd = 0
    /// The beginning of a line that a chunk's end cut.
    var lineHead: [UInt8] = []
    /// Octets of that line so far; 0 when the last chunk ended with a line end.
    var openLineLength = 0
    /// Whether its last octet was CR.
    var openLineEndsWithCR = false

    /// A parser at the beginning of a message.
    public init(limits: MIMELimits = MIMELimits()) {
        self.limits = limits
        parts = [MIMEPart()]
        open = [OpenEntity(part: 0, linesBeforeBody: 0, boundary: nil)]
        headerOctets.reserveCapacity(2048)
    }

    /// Parses a message that is at hand as a whole.
    public static func parse(
        _ octets: [UInt8], limits: MIMELimits = MIMELimits()
    ) throws(MessageRefusal) -> ParsedMessage {
        var parser = MessageParser(limits: limits)
        try parser.consume(octets)
        return try parser.finish()
    }

    /// Takes the next octets of the message.
    public mutating func consume(_ octets: some Sequence<UInt8>) throws(MessageRefusal) {
        let direct = octets.withContiguousStorageIfAvailable { chunk -> Result<Void, MessageRefusal> in
            do throws(MessageRefusal) {
                return .success(try consume(UnsafeRawBufferPointer(chunk)))
            } catch {
                return .failure(error)
            }
        }
        if let direct { return try direct.get() }
        try consume(Array(octets))
    }

    /// Takes the next octets of the message.
    public mutating func consume(_ octets: UnsafeRawBufferPointer) throws(MessageRefusal) {
        guard let base = octets.baseAddress, !octets.isEmpty else { return }
        let chunk = UnsafeBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: octets.count)
        var position = 0
        if openLineLength > 0 { position = try continueOpenLine(chunk) }
        while position < chunk.count {
            switch state {
            case .header: position = try headerLine(chunk, from: position)
            case .body: position = try bodyLines(chunk, from: position)
            }
        }
    }

    // MARK: Lines

    /// The position behind the next line end, or nil when this chunk has none.
    @inline(__always)
    private static func endOfLine(_ chunk: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        guard let base = chunk.baseAddress, let found = memchr(base + start, Int32(ASCII.lf), chunk.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base) + 1
    }

    /// The rest of a line that earlier chunks began. Returns where the next line begins.
    private mutating func continueOpenLine(_ chunk: UnsafeBufferPointer<UInt8>) throws(MessageRefusal) -> Int {
        let end = Self.endOfLine(chunk, from: 0)
        let piece = UnsafeBufferPointer(rebasing: chunk[0..<(end ?? chunk.count)])
        let hadCR = openLineEndsWithCR
        try extendOpenLine(piece)
        guard end != nil else { return chunk.count }
        let lineEnd = (piece.count > 1 ? piece[piece.count - 2] == ASCII.cr : hadCR) ? 2 : 1
        try finishOpenLine(lineEnd: lineEnd)
        return piece.count
    }

    private mutating func extendOpenLine(_ piece: UnsafeBufferPointer<UInt8>) throws(MessageRefusal) {
        openLineLength += piece.count
        openLineEndsWithCR = piece.last == ASCII.cr
        let room = Self.lineHeadLimit - lineHead.count
        if room > 0 { lineHead.append(contentsOf: piece.prefix(room)) }
        if state == .header { try collectHeader(piece) }
    }

    /// The cut line is whole now; `lineEnd` is 0 at the end of a message that does not end its last line.
    private mutating func finishOpenLine(lineEnd: Int) throws(MessageRefusal) {
        let length = openLineLength
        let head = lineHead
        openLineLength = 0
        openLineEndsWithCR = false
        lineHead.removeAll(keepingCapacity: true)
        let content = head.prefix(max(0, length - lineEnd))
        switch state {
        case .header:
            if length == lineEnd || (lineEnd == 0 && length == 1 && head.first == ASCII.cr) {
                advance(length, lineEnd)
                try endHeader()
            } else if let match = content.withUnsafeBufferPointer({ boundary(matching: $0) }) {
                headerOctets.removeLast(min(length, headerOctets.count))
                try endHeaderWithoutBody()
                delimiter(match)
                advance(length, lineEnd)
                openNextPart(after: match)
            } else {
                advance(length, lineEnd)
            }
        case .body:
            if let match = content.withUnsafeBufferPointer({ boundary(matching: $0) }) {
                delimiter(match)
                advance(length, lineEnd)
                openNextPart(after: match)
            } else {
                advance(length, lineEnd)
            }
        }
    }

    @inline(__always)
    private mutating func advance(_ length: Int, _ lineEnd: Int) {
        lineStart += length
        previousLineEnd = lineEnd
        if lineEnd > 0 { lineCount += 1 }
    }

    /// One line of a header block.
    private mutating func headerLine(
        _ chunk: UnsafeBufferPointer<UInt8>, from start: Int
    ) throws(MessageRefusal) -> Int {
        guard let end = Self.endOfLine(chunk, from: start) else {
            try extendOpenLine(UnsafeBufferPointer(rebasing: chunk[start...]))
            return chunk.count
        }
        let lineEnd = end - start > 1 && chunk[end - 2] == ASCII.cr ? 2 : 1
        let line = UnsafeBufferPointer(rebasing: chunk[start..<end])
        if line.count == lineEnd {
            try collectHeader(line)
            advance(line.count, lineEnd)
            try endHeader()
        } else if boundaryCount > 0, line[0] == ASCII.hyphen, line[1] == ASCII.hyphen,
            let match = boundary(
                matching: UnsafeBufferPointer(rebasing: line.prefix(min(line.count - lineEnd, Self.lineHeadLimit))))
        {
            try endHeaderWithoutBody()
            delimiter(match)
            advance(line.count, lineEnd)
            openNextPart(after: match)
        } else {
            try collectHeader(line)
            advance(line.count, lineEnd)
        }
        return end
    }

    /// As many lines of a body as the chunk has, up to a boundary.
    private mutating func bodyLines(
        _ chunk: UnsafeBufferPointer<UInt8>, from start: Int
    ) throws(MessageRefusal) -> Int {
        var position = start
        var lines = 0
        let candidates = boundaryCount > 0
        while position < chunk.count {
            // Empty lines are common, and cheaper to see than to search.
            if chunk[position] == ASCII.cr, position + 1 < chunk.count, chunk[position + 1] == ASCII.lf {
                lines += 1
                position += 2
                continue
            }
            guard let end = Self.endOfLine(chunk, from: position) else { break }
            if candidates, chunk[position] == ASCII.hyphen, chunk[position + 1] == ASCII.hyphen {
                let lineEnd = chunk[end - 2] == ASCII.cr ? 2 : 1
                let length = min(end - position - lineEnd, Self.lineHeadLimit)
                let head = UnsafeBufferPointer(rebasing: chunk[position..<position + length])
                if let match = boundary(matching: head) {
                    settle(lines, from: start, to: position, in: chunk)
                    delimiter(match)
                    advance(end - position, lineEnd)
                    openNextPart(after: match)
                    return end
                }
            }
            lines += 1
            position = end
        }
        settle(lines, from: start, to: position, in: chunk)
        if position < chunk.count { try extendOpenLine(UnsafeBufferPointer(rebasing: chunk[position...])) }
        return chunk.count
    }

    /// Accounts for whole lines of a body between two positions of a chunk.
    private mutating func settle(
        _ lines: Int, from start: Int, to position: Int, in chunk: UnsafeBufferPointer<UInt8>
    ) {
        guard lines > 0 else { return }
        lineCount += lines
        lineStart += position - start
        previousLineEnd = position - start > 1 && chunk[position - 2] == ASCII.cr ? 2 : 1
    }

    // MARK: The end

    /// The message has ended.
    public mutating func finish() throws(MessageRefusal) -> ParsedMessage {
        if openLineLength > 0 { try finishOpenLine(lineEnd: 0) }
        // At most twice: the second header is the empty one of a message nested at the very end.
        while state == .header { try endHeader() }
        while !open.isEmpty { closeInnermost(at: lineStart, lines: lineCount) }
        let header = rootHeader ?? HeaderBlock([])
        return ParsedMessage(
            index: MIMEIndex(parts: parts), envelope: Envelope(header, limits: limits), header: header)
    }
}
