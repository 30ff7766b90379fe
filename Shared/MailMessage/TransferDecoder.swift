/// Undoes a Content-Transfer-Encoding as the body passes (RFC 2045, 6).
public struct TransferDecoder: Sendable, Hashable {
    private enum Kind: Sendable, Hashable {
        case identity
        case base64(Base64Decoder)
        case quotedPrintable(QuotedPrintableDecoder)
    }

    private var kind: Kind

    /// nil when the encoding is not known (IMAP's UNKNOWN-CTE).
    public init?(_ encoding: TransferEncoding) {
        switch encoding {
        case .sevenBit, .eightBit, .binary: kind = .identity
        case .base64: kind = .base64(Base64Decoder())
        case .quotedPrintable: kind = .quotedPrintable(QuotedPrintableDecoder())
        case .other: return nil
        }
    }

    /// Decodes the next octets.
    public mutating func decode(_ input: some Sequence<UInt8>, into output: inout [UInt8]) {
        switch kind {
        case .identity:
            output.append(contentsOf: input)
        case .base64(var decoder):
            decoder.decode(input, into: &output)
            kind = .base64(decoder)
        case .quotedPrintable(var decoder):
            kind = .identity
            decoder.decode(input, into: &output)
            kind = .quotedPrintable(decoder)
        }
    }

    /// The body has ended.
    public mutating func finish(into output: inout [UInt8]) {
        switch kind {
        case .identity:
            break
        case .base64(var decoder):
            decoder.finish(into: &output)
            kind = .base64(decoder)
        case .quotedPrintable(var decoder):
            kind = .identity
            decoder.finish(into: &output)
            kind = .quotedPrintable(decoder)
        }
    }

    /// Decodes a body that is at hand as a whole.
    public static func decode(_ input: some Sequence<UInt8>, _ encoding: TransferEncoding) -> [UInt8]? {
        guard var decoder = TransferDecoder(encoding) else { return nil }
        var output: [UInt8] = []
        decoder.decode(input, into: &output)
        decoder.finish(into: &output)
        return output
    }
}
