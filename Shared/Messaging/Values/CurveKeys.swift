import CZeroMQ

/// A CURVE public key; its text is Z85 (ZeroMQ RFC 32), 40 characters.
public struct CurvePublicKey: Sendable, Hashable, LosslessStringConvertible {
    /// Z85, 40 characters.
    public let description: String

    /// Reads Z85 text; white space around it is ignored.
    public init?(_ description: String) {
        guard let text = CurveText.canonical(description) else { return nil }
        self.description = text
    }

    /// From the key's 32 octets.
    init?(octets: UnsafeRawBufferPointer) {
        guard let text = CurveText.encode(octets) else { return nil }
        self.description = text
    }
}

/// The two keys of one service.
public struct CurveKeyPair: Sendable {
    /// What peers know.
    public let publicKey: CurvePublicKey
    /// What only this service knows: Z85, 40 characters.
    public let secretKey: String

    /// Draws a new pair.
    public static func generate() throws(MessagingError) -> CurveKeyPair {
        var publicText = [CChar](repeating: 0, count: 41)
        var secretText = [CChar](repeating: 0, count: 41)
        guard zmq_curve_keypair(&publicText, &secretText) == 0 else {
            throw MessagingError(.failed, "libzmq was built without CURVE")
        }
        return try CurveKeyPair(secretKey: CurveText.string(secretText))
    }

    /// A pair from its secret half in Z85; the public half is derived.
    public init(secretKey text: String) throws(MessagingError) {
        guard let secret = CurveText.canonical(text) else {
            throw MessagingError(.malformed, "not a CURVE key in Z85")
        }
        var publicText = [CChar](repeating: 0, count: 41)
        guard zmq_curve_public(&publicText, secret) == 0, let key = CurvePublicKey(CurveText.string(publicText)) else {
            throw MessagingError(.malformed, "not a CURVE secret key")
        }
        publicKey = key
        secretKey = secret
    }
}

enum CurveText {
    static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The 40 characters when they decode, else nil.
    static func canonical(_ text: String) -> String? {
        let characters = text.utf8.filter { $0 > 0x20 }
        guard characters.count == 40 else { return nil }
        let canonical = String(decoding: characters, as: UTF8.self)
        var octets = [UInt8](repeating: 0, count: 32)
        return zmq_z85_decode(&octets, canonical) == nil ? nil : canonical
    }

    static func encode(_ octets: UnsafeRawBufferPointer) -> String? {
        guard octets.count == 32, let base = octets.baseAddress else { return nil }
        var text = [CChar](repeating: 0, count: 41)
        guard zmq_z85_encode(&text, base.assumingMemoryBound(to: UInt8.self), 32) != nil else { return nil }
        return string(text)
    }
}
