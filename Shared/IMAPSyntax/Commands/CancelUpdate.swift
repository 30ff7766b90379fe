/// CANCELUPDATE (RFC 5267, 4.3.5): the tags of searches whose results the client wants to hear of no more.
extension ByteCursor {
    /// `1*(SP quoted)`
    mutating func cancelledTags() throws(SyntaxError) -> [String] {
        var tags: [String] = []
        repeat {
            guard tags.count < limits.listItems else { throw beyond(.listItems) }
            try space()
            tags.append(try stringText())
        } while isNext(0x20)
        return tags
    }
}

extension CommandWriter {
    mutating func cancelledTags(_ tags: [String]) {
        for tag in tags {
            space()
            string(tag)
        }
    }
}
