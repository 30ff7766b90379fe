import NIOCore

extension ByteCursor {
    /// `[SP "(" preview-mod *(SP preview-mod) ")"]` (RFC 8970, 6); whether LAZY is among them. What else stands in
    /// parentheses behind PREVIEW belongs to FETCH.
    mutating func skipPreviewModifiers() throws(SyntaxError) -> Bool {
        let start = position
        guard skip(0x20), skip(UInt8(ascii: "(")), skip(word: "LAZY") else {
            rewind(to: start)
            return false
        }
        while skip(0x20) {
            guard skip(word: "LAZY") else { throw failure("LAZY") }
        }
        try closeParenthesis()
        return true
    }
}

extension ResponsePrinter {
    /// `PREVIEW "Preview text!"`; NIL when the preview is not at hand (RFC 8970, 3.2).
    public mutating func fetchPreview(_ text: String?) { fetchPreview(text.map { ByteBuffer(string: $0) }) }

    mutating func fetchPreview(_ text: ByteBuffer?) {
        item("PREVIEW ")
        nilOrString(text)
    }
}
