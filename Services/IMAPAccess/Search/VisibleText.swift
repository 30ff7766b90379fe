import MailMessage

/// What a reader sees of a text part: its charset undone, and of HTML the text alone. UTF-8, piece by piece; a piece ends
/// where a character ends.
final class VisibleText {
    private let decoder: CharsetDecoder
    /// Nil for a part whose text is all that it holds.
    private var html: HTMLText?
    private var utf8: [UInt8] = []
    private var visible: [UInt8] = []

    init(of part: MIMEPart) {
        decoder = CharsetDecoder(charset: part.charset)
        html = part.isHTML ? HTMLText() : nil
    }

    /// Takes the next octets of the part, whose transfer encoding has been undone.
    func decode(_ octets: [UInt8], _ take: ([UInt8]) -> Void) {
        utf8.removeAll(keepingCapacity: true)
        decoder.decode(octets, into: &utf8)
        reduce(take)
    }

    /// The part has ended.
    func finish(_ take: ([UInt8]) -> Void) {
        utf8.removeAll(keepingCapacity: true)
        decoder.finish(into: &utf8)
        reduce(take)
        guard html != nil else { return }
        visible.removeAll(keepingCapacity: true)
        html?.finish(into: &visible)
        take(visible)
    }

    private func reduce(_ take: ([UInt8]) -> Void) {
        guard html != nil else { return take(utf8) }
        visible.removeAll(keepingCapacity: true)
        html?.reduce(utf8, into: &visible)
        take(visible)
    }
}
