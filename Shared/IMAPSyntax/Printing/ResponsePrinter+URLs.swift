import NIOCore

/// IMAP URLs in responses (RFC 4469, 5; RFC 4467, 9).
extension ResponsePrinter {
    /// `url-resp-text`. What may not stand there is percent-encoded, as it had to be in the URL.
    mutating func urlText(_ url: String) {
        let digits = Array("0123456789ABCDEF".utf8)
        for octet in url.utf8 {
            if octet > 0x20, octet < 0x7F, octet != UInt8(ascii: "]"), octet != UInt8(ascii: "\\") {
                self.octet(octet)
            } else {
                self.octet(UInt8(ascii: "%"))
                self.octet(digits[Int(octet >> 4)])
                self.octet(digits[Int(octet & 0x0F)])
            }
        }
        // There is at least one character.
        if url.isEmpty { text("%20") }
    }

    /// `* GENURLAUTH "imap://…"` (RFC 4467, 8)
    public mutating func authorizedURLs(_ urls: [String]) {
        text("* GENURLAUTH")
        for url in urls {
            space()
            string(url)
        }
        endOfLine()
    }

    /// `* URLFETCH "imap://…" {28}` and the octets, or NIL (RFC 4467, 8)
    mutating func urlFetch(_ fetched: [FetchedURL]) {
        text("* URLFETCH")
        for one in fetched {
            space()
            string(one.url)
            space()
            nilOrString(one.octets)
        }
        endOfLine()
    }

    /// Begins a response with what one URL gave: that many octets are to be written behind it, and then
    /// `endURLFetch()`. Nil for a URL that is not valid.
    public mutating func beginURLFetch(_ url: String, count: UInt64?) {
        text("* URLFETCH ")
        string(url)
        guard let count else { return text(" NIL") }
        text(" {")
        number(count)
        text("}\r\n")
    }

    /// Ends a response that `beginURLFetch` began.
    public mutating func endURLFetch() { endOfLine() }
}
