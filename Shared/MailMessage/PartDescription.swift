/// What the MIME fields of one header block say (RFC 2045, 3; RFC 2183; RFC 3282; RFC 2557). The first field of a
/// name counts.
struct PartDescription {
    var contentType: ContentTypeField?
    var encoding: TransferEncoding = .sevenBit
    var contentID: [UInt8]?
    var description: [UInt8]?
    var md5: [UInt8]?
    var disposition: ContentDisposition?
    var languages: [[UInt8]] = []
    var location: [UInt8]?

    init(_ header: HeaderBlock, limits: MIMELimits) {
        var sawEncoding = false
        for field in header.fields {
            switch header.knownName(of: field) {
            case .contentType:
                if contentType == nil {
                    contentType = ContentTypeField(header.value(of: field), parameterLimit: limits.parameters)
                }
            case .contentTransferEncoding:
                if !sawEncoding {
                    sawEncoding = true
                    encoding = Self.encoding(header.value(of: field))
                }
            case .contentID: if contentID == nil { contentID = header.value(of: field) }
            case .contentDescription: if description == nil { description = header.value(of: field) }
            case .contentMD5: if md5 == nil { md5 = header.value(of: field) }
            case .contentLocation: if location == nil { location = header.value(of: field) }
            case .contentLanguage:
                if languages.isEmpty { languages = Self.languages(header.value(of: field), limit: limits.parameters) }
            case .contentDisposition:
                if disposition == nil {
                    disposition = Self.disposition(header.value(of: field), limit: limits.parameters)
                }
            case .date, .subject, .from, .sender, .replyTo, .to, .cc, .bcc, .inReplyTo, .messageID, .received, nil:
                break
            }
        }
    }

    func apply(to part: inout MIMEPart) {
        part.parameters = contentType?.parameters ?? []
        // RFC 2045, 5.2: missing or unreadable means plain text.
        part.type = "text"
        part.subtype = "plain"
        if let type = contentType?.type, let subtype = contentType?.subtype {
            part.type = type
            part.subtype = subtype
        }
        // Text that names no charset is in US-ASCII (RFC 2046, 4.1.2); readers are told so, as they are elsewhere.
        if part.type == "text", ExtendedParameters.value(of: "charset", in: part.parameters) == nil {
            part.parameters.append(MIMEParameter(name: "charset", value: Array("us-ascii".utf8)))
        }
        part.encoding = encoding
        part.contentID = contentID
        part.description = description
        part.md5 = md5
        part.disposition = disposition
        part.languages = languages
        part.location = location
    }

    /// The boundary of a multipart without the white space that RFC 2046, 5.1.1 forbids at its end; nil when it is
    /// missing or empty.
    var boundary: [UInt8]? {
        guard let parameters = contentType?.parameters else { return nil }
        var value =
            parameters.first { $0.name == "boundary" }?.value
            ?? ExtendedParameters.value(of: "boundary", in: parameters).map { Array($0.utf8) } ?? []
        while let last = value.last, ASCII.isBlank(last) { value.removeLast() }
        return value.isEmpty || value.count + 2 > MessageParser.lineHeadLimit ? nil : value
    }

    private static func encoding(_ value: [UInt8]) -> TransferEncoding {
        var scanner = FieldScanner(value)
        scanner.skipCommentsAndSpace()
        return TransferEncoding(token: ASCII.lowercasedString(scanner.token()))
    }

    private static func disposition(_ value: [UInt8], limit: Int) -> ContentDisposition? {
        var scanner = FieldScanner(value)
        scanner.skipCommentsAndSpace()
        let type = scanner.token()
        guard !type.isEmpty else { return nil }
        return ContentDisposition(
            type: ASCII.lowercasedString(type), parameters: scanner.parameters(limit: limit))
    }

    private static func languages(_ value: [UInt8], limit: Int) -> [[UInt8]] {
        var scanner = FieldScanner(value)
        var result: [[UInt8]] = []
        while !scanner.isAtEnd, result.count < limit {
            scanner.skipCommentsAndSpace()
            let tag = scanner.token()
            if !tag.isEmpty { result.append(Array(tag)) } else { scanner.skip() }
        }
        return result
    }
}

/// Content-Type (RFC 2045, 5.1). `type` is nil when the field names no type and subtype.
struct ContentTypeField {
    var type: String?
    var subtype: String?
    var parameters: [MIMEParameter]

    init(_ value: [UInt8], parameterLimit: Int) {
        var scanner = FieldScanner(value)
        scanner.skipCommentsAndSpace()
        let first = scanner.token()
        scanner.skipCommentsAndSpace()
        if !first.isEmpty, scanner.take(ASCII.slash) {
            scanner.skipCommentsAndSpace()
            let second = scanner.token()
            if !second.isEmpty {
                type = ASCII.lowercasedString(first)
                subtype = ASCII.lowercasedString(second)
            }
        }
        parameters = scanner.parameters(limit: parameterLimit)
    }
}

extension MIMEPart {
    /// Whether the type is one whose body is a message (RFC 2046, 5.2.1; RFC 6532, 3.7).
    var isNestedMessage: Bool { type == "message" && (subtype == "rfc822" || subtype == "global") }

    /// A multipart that cannot be one is read as RFC 2045, 5.2 reads all invalid types.
    mutating func becomeText() {
        structure = .leaf
        type = "text"
        subtype = "plain"
        parameters = [MIMEParameter(name: "charset", value: Array("us-ascii".utf8))]
    }

    /// An entity that is not looked into has the type that RFC 2049, 2 gives to what is not understood.
    mutating func becomeOpaque() {
        structure = .leaf
        type = "application"
        subtype = "octet-stream"
        parameters = []
    }
}
