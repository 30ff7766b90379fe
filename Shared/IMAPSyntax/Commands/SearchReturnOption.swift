/// What SEARCH and SORT return (RFC 9051, 6.4.4; RFC 5267, 3; RFC 9394, 3.1).
public enum SearchReturnOption: Hashable, Sendable {
    /// The lowest number, or of SORT the first in order.
    case min
    /// The highest number, or of SORT the last in order.
    case max
    case all
    case count
    case save
    /// Only a part of the result; never together with ALL or another part.
    case partial(ResultPartial)
    /// How relevant each message is; only with FUZZY (RFC 6203, 4).
    case relevancy
    /// A hint that the same search will be made again (RFC 5267, 4.2).
    case context
    /// The client wants to hear how the result changes (RFC 5267, 4.3); of new messages these are told (RFC 5465, 7).
    case update([FetchAttribute])
}

extension ByteCursor {
    /// `[SP "RETURN" SP "(" ... ")"]`; nil without it.
    mutating func searchReturnOptions() throws(SyntaxError) -> [SearchReturnOption]? {
        let start = position
        guard skip(0x20), skip(word: "RETURN") else {
            rewind(to: start)
            return nil
        }
        try space()
        let listStart = position
        let options = try list(allowsEmpty: true) { cursor throws(SyntaxError) in
            try SearchReturnOption.parse(&cursor)
        }
        let partials = options.filter { if case .partial = $0 { true } else { false } }.count
        guard partials == 0 || partials == 1 && !options.contains(.all) else {
            throw failure("ALL or one PARTIAL", at: listStart)
        }
        return options
    }
}

extension SearchReturnOption {
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> SearchReturnOption {
        let start = cursor.position
        switch try cursor.word("a return option") {
        case "MIN": return .min
        case "MAX": return .max
        case "ALL": return .all
        case "COUNT": return .count
        case "SAVE": return .save
        case "PARTIAL":
            try cursor.space()
            return .partial(try cursor.resultPartial())
        case "RELEVANCY": return .relevancy
        case "CONTEXT": return .context
        case "UPDATE":
            // RFC 5465 has no space in its grammar and one in its example.
            if cursor.isNext(0x20), cursor.peek(1) == UInt8(ascii: "(") { cursor.advance() }
            guard cursor.isNext(UInt8(ascii: "(")) else { return .update([]) }
            return .update(try cursor.list { cursor throws(SyntaxError) in try FetchAttribute.parse(&cursor) })
        default: throw cursor.failure("a return option", at: start)
        }
    }

    func write(to writer: inout CommandWriter) {
        switch self {
        case .min: writer.text("MIN")
        case .max: writer.text("MAX")
        case .all: writer.text("ALL")
        case .count: writer.text("COUNT")
        case .save: writer.text("SAVE")
        case .partial(let partial):
            writer.text("PARTIAL ")
            writer.resultPartial(partial)
        case .relevancy: writer.text("RELEVANCY")
        case .context: writer.text("CONTEXT")
        case .update(let attributes):
            writer.text("UPDATE")
            if attributes.isEmpty { return }
            writer.space()
            writer.list(attributes) { $1.write(to: &$0) }
        }
    }
}

extension CommandWriter {
    /// What `searchReturnOptions` reads.
    mutating func searchReturnOptions(_ returns: [SearchReturnOption]?) {
        guard let returns else { return }
        text(" RETURN ")
        list(returns) { writer, option in option.write(to: &writer) }
    }
}
