/// The base subject: a subject without what replies and forwards have added to it (RFC 5256, 2.1 and 5).
///
/// Works on the octets of a text whose encoded-words have been decoded, in one pass whatever the subject: what the text
/// of the RFC repeats until nothing changes is done here only as often as something does.
struct BaseSubject: Equatable, Sendable {
    /// May be empty.
    let octets: [UInt8]
    /// Whether a `re:` or `fwd:`, a `(fwd)` at the end, or `[fwd: ]` around it was taken away (RFC 5256, 3).
    let isReplyOrForward: Bool

    init(of subject: [UInt8]) {
        let text = Self.normalized(subject)
        var (start, end) = (0, text.count)
        var changed = false
        repeat {
            changed = Self.dropTrailers(text, start, &end) || changed
            changed = Self.dropPrefixes(text, &start, end) || changed
            // Step 6, after which everything begins again with step 2.
        } while Self.unwrapForward(text, &start, &end, &changed)
        octets = Array(text[start..<end])
        isReplyOrForward = changed
    }

    /// Step 1: tabs and continuations become spaces, and several spaces one.
    private static func normalized(_ subject: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(subject.count)
        for octet in subject {
            let isSpace = octet == 0x20 || octet == 0x09 || octet == 0x0D || octet == 0x0A
            if !isSpace {
                text.append(octet)
            } else if text.last != 0x20 {
                text.append(0x20)
            }
        }
        return text
    }

    /// Step 2: `subj-trailer`, again and again. Whether a `(fwd)` was among them.
    private static func dropTrailers(_ text: [UInt8], _ start: Int, _ end: inout Int) -> Bool {
        var found = false
        while end > start {
            if text[end - 1] == 0x20 {
                end -= 1
            } else if end - start >= 5, matches(text, at: end - 5, end, "(fwd)") {
                end -= 5
                found = true
            } else {
                break
            }
        }
        return found
    }

    /// Steps 3 to 5: `subj-leader` and `subj-blob`, again and again. Whether a `subj-refwd` was among them.
    private static func dropPrefixes(_ text: [UInt8], _ start: inout Int, _ end: Int) -> Bool {
        var found = false
        while true {
            while start < end, text[start] == 0x20 { start += 1 }
            // `*subj-blob subj-refwd`
            var (behindBlobs, lastBlob) = (start, start)
            while let behind = behindBlob(text, at: behindBlobs, end) {
                lastBlob = behindBlobs
                behindBlobs = behind
            }
            if let behind = behindMarker(text, at: behindBlobs, end) {
                start = behind
                found = true
                continue
            }
            // No marker follows however many of the blobs are taken away; the last one stays if nothing else is left.
            start = behindBlobs < end ? behindBlobs : lastBlob
            return found
        }
    }

    /// Step 6: `[fwd:` and `]` around the rest.
    private static func unwrapForward(
        _ text: [UInt8], _ start: inout Int, _ end: inout Int, _ changed: inout Bool
    ) -> Bool {
        guard end - start >= 6, text[end - 1] == UInt8(ascii: "]"), matches(text, at: start, end, "[fwd:") else {
            return false
        }
        start += 5
        end -= 1
        changed = true
        return true
    }

    /// `subj-refwd`: the position behind it.
    private static func behindMarker(_ text: [UInt8], at start: Int, _ end: Int) -> Int? {
        var position = start
        if matches(text, at: position, end, "re") {
            position += 2
        } else if matches(text, at: position, end, "fwd") {
            position += 3
        } else if matches(text, at: position, end, "fw") {
            position += 2
        } else {
            return nil
        }
        while position < end, text[position] == 0x20 { position += 1 }
        if let behind = behindBlob(text, at: position, end) { position = behind }
        guard position < end, text[position] == UInt8(ascii: ":") else { return nil }
        return position + 1
    }

    /// `subj-blob`: the position behind it and the space that follows it.
    private static func behindBlob(_ text: [UInt8], at start: Int, _ end: Int) -> Int? {
        guard start < end, text[start] == UInt8(ascii: "[") else { return nil }
        var position = start + 1
        while position < end, text[position] != UInt8(ascii: "["), text[position] != UInt8(ascii: "]") { position += 1 }
        guard position < end, text[position] == UInt8(ascii: "]") else { return nil }
        position += 1
        while position < end, text[position] == 0x20 { position += 1 }
        return position
    }

    /// Whether a word stands at a position, whatever its case.
    private static func matches(_ text: [UInt8], at start: Int, _ end: Int, _ word: StaticString) -> Bool {
        guard start + word.utf8CodeUnitCount <= end else { return false }
        return word.withUTF8Buffer { expected in
            for offset in 0..<expected.count {
                let octet = text[start + offset]
                guard (octet &- 0x41 < 26 ? octet | 0x20 : octet) == expected[offset] else { return false }
            }
            return true
        }
    }
}
