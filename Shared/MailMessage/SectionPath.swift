/// What of a part an IMAP section names (RFC 9051, 6.4.5.1).
public enum SectionContent: Sendable, Hashable {
    /// The part itself; with an empty path the whole message.
    case body
    /// HEADER (also for HEADER.FIELDS and HEADER.FIELDS.NOT): of the message, or of the one nested in the part.
    case header
    /// TEXT: what follows that header.
    case text
    /// MIME: the header of the part itself.
    case mime
}

extension MIMEIndex {
    /// The octets that a section such as `1.2.MIME` names; nil when there is no such part.
    public func octets(of path: [Int], _ content: SectionContent) -> Range<Int>? {
        guard !path.isEmpty else {
            switch content {
            case .body: return 0..<octetCount
            case .header: return root.header
            case .text: return root.body
            case .mime: return nil
            }
        }
        guard let position = position(at: path) else { return nil }
        switch content {
        case .body: return parts[position].body
        case .mime: return parts[position].header
        case .header: return nested(in: position).map { parts[$0].header }
        case .text: return nested(in: position).map { parts[$0].body }
        }
    }

    /// The part at a path of part numbers; an empty path is the message itself. Part 1 of a message that is no
    /// multipart is the message's own body.
    public func part(at path: [Int]) -> MIMEPart? {
        position(at: path).map { parts[$0] }
    }

    /// As ``part(at:)``, as a position in ``parts``.
    public func position(at path: [Int]) -> Int? {
        var position = 0
        var isMessage = true
        for number in path {
            guard number > 0 else { return nil }
            if !isMessage, let message = nested(in: position) {
                position = message
                isMessage = true
            }
            if parts[position].structure == .multipart {
                guard let child = child(number, of: position) else { return nil }
                position = child
            } else {
                guard isMessage, number == 1 else { return nil }
            }
            isMessage = false
        }
        return position
    }

    private func nested(in position: Int) -> Int? {
        parts[position].structure == .message && position + 1 < parts.count ? position + 1 : nil
    }

    private func child(_ number: Int, of position: Int) -> Int? {
        var child = position + 1
        let end = min(parts[position].subtreeEnd, parts.count)
        var remaining = number
        while child < end {
            remaining -= 1
            if remaining == 0 { return child }
            child = max(child + 1, parts[child].subtreeEnd)
        }
        return nil
    }
}
