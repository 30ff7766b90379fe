/// THREAD and UID THREAD (RFC 5256, 3): a search whose result comes as threads.
public struct ThreadCommand: Hashable, Sendable {
    /// UID THREAD or THREAD.
    public var numbering: Numbering
    /// How threads are made.
    public var algorithm: ThreadAlgorithm
    /// The charset of the strings in upper case.
    public var charset: String
    /// At least one key; a message must match all of them.
    public var keys: [SearchKey]

    /// The arguments of THREAD.
    public init(numbering: Numbering, algorithm: ThreadAlgorithm, charset: String, keys: [SearchKey]) {
        self.numbering = numbering
        self.algorithm = algorithm
        self.charset = uppercasedASCII(charset)
        self.keys = keys
    }
}

/// How threads are made of messages.
public enum ThreadAlgorithm: String, Hashable, Sendable, CaseIterable {
    /// By base subject (RFC 5256, 3).
    case orderedSubject = "ORDEREDSUBJECT"
    /// By what messages say they reply to, then by base subject (RFC 5256, 3).
    case references = "REFERENCES"
    /// By what messages say they reply to alone; the thread that was added to last comes last
    /// (draft-ietf-morg-inthread, 4).
    case refs = "REFS"
}

extension ThreadCommand {
    static func parse(_ cursor: inout ByteCursor, _ numbering: Numbering) throws(SyntaxError) -> ThreadCommand {
        try cursor.space()
        let start = cursor.position
        guard let algorithm = ThreadAlgorithm(rawValue: try cursor.word("a threading algorithm")) else {
            throw cursor.failure("a threading algorithm", at: start)
        }
        try cursor.space()
        let (charset, keys) = try cursor.searchCriteria()
        return ThreadCommand(numbering: numbering, algorithm: algorithm, charset: charset, keys: keys)
    }

    func write(to writer: inout CommandWriter) {
        writer.space()
        writer.text(algorithm.rawValue)
        writer.searchCriteria(charset, keys)
    }
}
