#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

// The parser's entities: how header blocks end and boundaries open and close parts. Lines are found in
// MessageParser.swift, which calls what is here with `lineStart` at the line in question.
extension MessageParser {
    // MARK: Headers

    mutating func collectHeader(_ piece: UnsafeBufferPointer<UInt8>) throws(MessageRefusal) {
        let isRoot = rootHeader == nil
        let limit = isRoot ? limits.headerOctets : limits.partHeaderOctets
        let room = limit - headerOctets.count
        if piece.count <= room {
            headerOctets.append(contentsOf: piece)
        } else if isRoot {
            throw .headerTooLarge
        } else if room > 0 {
            headerOctets.append(contentsOf: piece.prefix(room))
        }
    }

    /// The empty line was seen; `lineStart` is where the body begins.
    mutating func endHeader() throws(MessageRefusal) {
        guard let entity = open.last else { return }
        let header = try takeHeader()
        parts[entity.part].header = parts[entity.part].header.lowerBound..<lineStart
        beginBody(of: entity.part)
        state = .body
        noteEnvelope(header)
        describe(entity.part, header)
    }

    /// A boundary came where the empty line should have been: the part has a header and no body.
    mutating func endHeaderWithoutBody() throws(MessageRefusal) {
        guard let entity = open.last else { return }
        let header = try takeHeader()
        parts[entity.part].header = parts[entity.part].header.lowerBound..<lineStart
        beginBody(of: entity.part)
        state = .body
        PartDescription(header, limits: limits).apply(to: &parts[entity.part])
        if parts[entity.part].type == "multipart" || parts[entity.part].isNestedMessage {
            parts[entity.part].becomeText()
        }
        noteEnvelope(header)
        // The line end before this boundary ended a header field: it is not taken from a body.
        previousLineEnd = 0
    }

    mutating func takeHeader() throws(MessageRefusal) -> HeaderBlock {
        let header = HeaderBlock(headerOctets, fieldLimit: limits.headerFields + 1)
        headerOctets.removeAll(keepingCapacity: true)
        if rootHeader == nil {
            guard header.fields.count <= limits.headerFields else { throw .tooManyHeaderFields }
            rootHeader = header
        }
        return header
    }

    /// The header of a nested message is the envelope of the part around it.
    mutating func noteEnvelope(_ header: HeaderBlock) {
        guard open.count > 1 else { return }
        let parent = open[open.count - 2].part
        if parts[parent].structure == .message { parts[parent].envelope = Envelope(header, limits: limits) }
    }

    mutating func beginBody(of part: Int) {
        parts[part].body = lineStart..<lineStart
        open[open.count - 1].linesBeforeBody = lineCount
    }

    /// Fills in what the header says, and opens what the body holds.
    mutating func describe(_ position: Int, _ header: HeaderBlock) {
        let description = PartDescription(header, limits: limits)
        description.apply(to: &parts[position])
        let isDigest =
            open.count > 1 && parts[open[open.count - 2].part].subtype == "digest"
            && parts[open[open.count - 2].part].structure == .multipart
        if isDigest, description.contentType == nil {
            // RFC 2046, 5.1.5: the default in a digest.
            parts[position].type = "message"
            parts[position].subtype = "rfc822"
            parts[position].parameters = []
        }
        if parts[position].type == "multipart" {
            guard let boundary = description.boundary else { return parts[position].becomeText() }
            guard open.count < limits.depth else { return parts[position].becomeOpaque() }
            parts[position].structure = .multipart
            open[open.count - 1].boundary = boundary
            boundaryCount += 1
        } else if parts[position].isNestedMessage {
            guard parts[position].encoding.isIdentity, open.count < limits.depth, parts.count < limits.parts else {
                return parts[position].becomeOpaque()
            }
            parts[position].structure = .message
            openPart(at: lineStart)
        }
    }

    // MARK: Boundaries

    /// Which multipart a delimiter line belongs to.
    struct BoundaryMatch {
        /// Position in `open`.
        var level: Int
        /// Whether it is the close delimiter.
        var closes: Bool
    }

    /// Whether a line (without its line end) is a delimiter of an open multipart. The innermost one that the whole
    /// line matches wins; when none does, the longest boundary that the line begins with, since RFC 2046, 5.1.1 says
    /// that the line need not match to its end.
    func boundary(matching line: UnsafeBufferPointer<UInt8>) -> BoundaryMatch? {
        guard boundaryCount > 0, line.count > 2, line[0] == ASCII.hyphen, line[1] == ASCII.hyphen else { return nil }
        var best: BoundaryMatch?
        var bestLength = 0
        for level in stride(from: open.count - 1, through: 0, by: -1) {
            guard let boundary = open[level].boundary, line.count >= boundary.count + 2 else { continue }
            let equal = boundary.withUnsafeBufferPointer { expected -> Bool in
                guard let first = expected.baseAddress, let second = line.baseAddress else { return false }
                return memcmp(first, second + 2, expected.count) == 0
            }
            guard equal else { continue }
            var rest = boundary.count + 2
            let closes =
                line.count >= rest + 2 && line[rest] == ASCII.hyphen && line[rest + 1] == ASCII.hyphen
            if closes { rest += 2 }
            while rest < line.count, ASCII.isBlank(line[rest]) { rest += 1 }
            if rest == line.count { return BoundaryMatch(level: level, closes: closes) }
            if boundary.count > bestLength {
                best = BoundaryMatch(level: level, closes: closes)
                bestLength = boundary.count
            }
        }
        return best
    }

    /// A delimiter line begins at `lineStart`: everything inside its multipart ends before the line end in front,
    /// unless that line end is the one that ended the header of an empty part.
    mutating func delimiter(_ match: BoundaryMatch) {
        guard let innermost = open.last else { return }
        let end = max(lineStart - previousLineEnd, parts[innermost.part].body.lowerBound)
        let lines = end < lineStart ? lineCount - 1 : lineCount
        while open.count > match.level + 1 { closeInnermost(at: end, lines: lines) }
        if match.closes {
            open[match.level].boundary = nil
            boundaryCount -= 1
        }
        state = .body
    }

    mutating func closeInnermost(at end: Int, lines: Int) {
        guard let entity = open.popLast() else { return }
        if entity.boundary != nil { boundaryCount -= 1 }
        let start = parts[entity.part].body.lowerBound
        parts[entity.part].body = start..<max(start, end)
        parts[entity.part].lineCount = max(0, lines - entity.linesBeforeBody)
        parts[entity.part].subtreeEnd = parts.count
        if parts[entity.part].structure == .multipart, parts.count == entity.part + 1 {
            parts[entity.part].becomeText()
        }
    }

    /// `lineStart` is behind the delimiter line.
    mutating func openNextPart(after match: BoundaryMatch) {
        guard !match.closes else { return }
        guard parts.count < limits.parts else { return openRest() }
        openPart(at: lineStart)
    }

    mutating func openPart(at offset: Int) {
        var part = MIMEPart()
        part.header = offset..<offset
        part.body = offset..<offset
        parts.append(part)
        open.append(OpenEntity(part: parts.count - 1, linesBeforeBody: lineCount, boundary: nil))
        headerOctets.removeAll(keepingCapacity: true)
        state = .header
    }

    /// Too many parts: what follows is one opaque leaf, and boundaries mean nothing any more.
    mutating func openRest() {
        openPart(at: lineStart)
        parts[parts.count - 1].becomeOpaque()
        for level in open.indices { open[level].boundary = nil }
        boundaryCount = 0
        state = .body
    }
}
