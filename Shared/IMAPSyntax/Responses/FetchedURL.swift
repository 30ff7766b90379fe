import NIOCore

/// What a URL gave (RFC 4467, 8).
public struct FetchedURL: Hashable, Sendable {
    /// As the client wrote it.
    public var url: String
    /// Nil when it is not valid, for whatever reason.
    public var octets: ByteBuffer?

    /// What a URL gave.
    public init(url: String, octets: ByteBuffer?) {
        self.url = url
        self.octets = octets
    }
}

extension FetchedURL {
    /// `1*(SP url-full SP nstring)`
    static func parseAll(_ cursor: inout ByteCursor) throws(SyntaxError) -> [FetchedURL] {
        var all: [FetchedURL] = []
        repeat {
            guard all.count < cursor.limits.listItems else { throw cursor.beyond(.listItems) }
            try cursor.space()
            let url = try cursor.astringText("a URL")
            try cursor.space()
            all.append(FetchedURL(url: url, octets: try cursor.nilOrString()))
        } while !cursor.isAtEndOfLine
        return all
    }
}
