extension ResponsePrinter {
    /// `* THREAD (2)(3 6 (4 23)(44 7 96))` (RFC 5256, 4).
    public mutating func threads(_ threads: MessageThreads) {
        text("* THREAD")
        let counts = threads.childCounts
        // The members that the next one may belong to, and whether each has opened a list.
        var path: [(index: Int, opened: Bool)] = []
        for (index, member) in threads.members.enumerated() {
            while path.count > member.depth { closeThread(&path) }
            let parent = path.last.map { (index: $0.index, number: threads.members[$0.index].number) }
            let opens = parent.map { $0.number == nil || counts[$0.index] > 1 } ?? true
            let isFirst = parent.map { $0.index == index - 1 && $0.number != nil } ?? (index == 0)
            if !opens || isFirst { space() }
            if opens { octet(UInt8(ascii: "(")) }
            if let number = member.number { self.number(number) }
            path.append((index, opens))
        }
        while !path.isEmpty { closeThread(&path) }
        endOfLine()
    }

    private mutating func closeThread(_ path: inout [(index: Int, opened: Bool)]) {
        if path.removeLast().opened { octet(UInt8(ascii: ")")) }
    }
}
