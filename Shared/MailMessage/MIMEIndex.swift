/// Where every part of a message lies, and what its MIME header fields say.
///
/// `parts` is the tree in preorder: `parts[0]` is the message itself, each part is followed by its descendants, and
/// ``MIMEPart/subtreeEnd`` tells where they end. A part of structure ``MIMEPart/Structure-swift.enum/message`` has
/// exactly one child, the message nested in it; a multipart has at least one. All offsets count from the first octet
/// of the message as it was received.
public struct MIMEIndex: Sendable, Hashable {
    /// The parts in preorder; never empty.
    public internal(set) var parts: [MIMEPart]

    /// The index of a message without any octets: one empty text.
    public init() {
        parts = [MIMEPart()]
    }

    init(parts: [MIMEPart]) {
        self.parts = parts.isEmpty ? [MIMEPart()] : parts
    }

    /// The message itself.
    public var root: MIMEPart { parts[0] }

    /// Octets of the whole message.
    public var octetCount: Int { parts[0].body.upperBound }

    /// Positions in `parts` of the direct children of the part at `position`.
    public func children(of position: Int) -> [Int] {
        guard parts.indices.contains(position) else { return [] }
        var result: [Int] = []
        var child = position + 1
        let end = min(parts[position].subtreeEnd, parts.count)
        while child < end {
            result.append(child)
            child = max(child + 1, parts[child].subtreeEnd)
        }
        return result
    }
}

/// One entity of a message: the message itself, a body part, or a message nested in a body part.
public struct MIMEPart: Sendable, Hashable {
    /// What the body of a part is made of.
    public enum Structure: UInt8, Sendable, Hashable {
        /// Content that is not looked into.
        case leaf = 0
        /// Body parts between boundaries (RFC 2046, 5.1).
        case multipart = 1
        /// A message of its own (RFC 2046, 5.2.1).
        case message = 2
    }

    /// What the body is made of, as far as this index follows it.
    public var structure: Structure = .leaf
    /// One beyond the position of the last descendant.
    public var subtreeEnd: Int = 1
    /// The header block, with the empty line that ends it when there is one.
    public var header: Range<Int> = 0..<0
    /// What follows the header block; for a body part without the line end that belongs to the boundary.
    public var body: Range<Int> = 0..<0
    /// Line ends in the body.
    public var lineCount: Int = 0
    /// The media type in lower case, for example `text`.
    public var type: String = "text"
    /// The media subtype in lower case, for example `plain`.
    public var subtype: String = "plain"
    /// The parameters of Content-Type as they stand (RFC 2231 forms are not joined).
    public var parameters: [MIMEParameter] = []
    /// Content-Transfer-Encoding.
    public var encoding: TransferEncoding = .sevenBit
    /// Content-ID, raw.
    public var contentID: [UInt8]?
    /// Content-Description, raw.
    public var description: [UInt8]?
    /// Content-MD5, raw.
    public var md5: [UInt8]?
    /// Content-Disposition (RFC 2183).
    public var disposition: ContentDisposition?
    /// Content-Language (RFC 3282).
    public var languages: [[UInt8]] = []
    /// Content-Location, raw (RFC 2557).
    public var location: [UInt8]?
    /// The envelope of the message nested in this part; only with structure `message`.
    public var envelope: Envelope?

    /// An empty text.
    public init() {}

    /// Whether the part is text (RFC 2046, 4.1), which has a charset and counted lines.
    public var isText: Bool { type == "text" }

    /// The charset parameter in lower case; `us-ascii` when the part does not say (RFC 2046, 4.1.2).
    public var charset: String {
        ExtendedParameters.value(of: "charset", in: parameters).map { $0.lowercased() } ?? "us-ascii"
    }

    /// The file name that the disposition, or else the content type, proposes.
    public var filename: String? {
        disposition.flatMap { ExtendedParameters.value(of: "filename", in: $0.parameters) }
            ?? ExtendedParameters.value(of: "name", in: parameters)
    }
}

/// A parameter of a MIME field; the name in lower case, the value without quoting and otherwise as it came.
public struct MIMEParameter: Sendable, Hashable {
    /// The attribute in lower case, for example `charset` or `filename*0*`.
    public var name: String
    /// The value's octets.
    public var value: [UInt8]

    /// A parameter.
    public init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// Content-Disposition (RFC 2183): how a part wishes to be shown.
public struct ContentDisposition: Sendable, Hashable {
    /// The disposition type in lower case, for example `attachment`.
    public var type: String
    /// Its parameters as they stand.
    public var parameters: [MIMEParameter]

    /// A disposition.
    public init(type: String, parameters: [MIMEParameter] = []) {
        self.type = type
        self.parameters = parameters
    }
}

/// Content-Transfer-Encoding (RFC 2045, 6).
public enum TransferEncoding: Sendable, Hashable {
    /// `7bit`, also when the field is missing.
    case sevenBit
    /// `8bit`.
    case eightBit
    /// `binary`.
    case binary
    /// `quoted-printable`.
    case quotedPrintable
    /// `base64`.
    case base64
    /// A token in lower case that RFC 2045 does not know, for example `x-uuencode`.
    case other(String)

    /// The encoding that a token names, in any case.
    public init(token: String) {
        switch token.lowercased() {
        case "7bit", "": self = .sevenBit
        case "8bit": self = .eightBit
        case "binary": self = .binary
        case "quoted-printable": self = .quotedPrintable
        case "base64": self = .base64
        case let other: self = .other(other)
        }
    }

    /// The token, in lower case.
    public var token: String {
        switch self {
        case .sevenBit: "7bit"
        case .eightBit: "8bit"
        case .binary: "binary"
        case .quotedPrintable: "quoted-printable"
        case .base64: "base64"
        case .other(let token): token
        }
    }

    /// Whether the octets of the body are the content itself.
    public var isIdentity: Bool {
        switch self {
        case .sevenBit, .eightBit, .binary: true
        case .quotedPrintable, .base64, .other: false
        }
    }
}
