/// A header block cut into fields as `HeaderFields` finds them. Octets stay as they are.
public struct HeaderBlock: Sendable, Hashable {
    /// One field, as positions in ``HeaderBlock/octets``.
    public struct Field: Sendable, Hashable {
        /// The name, without white space before the colon; empty for a line that is no field.
        public var name: Range<Int>
        /// What follows the colon, folds and the last line end included.
        public var value: Range<Int>
        /// The whole field with its last line end.
        public var whole: Range<Int>
    }

    /// The block as it came.
    public let octets: [UInt8]
    /// Its fields in order.
    public let fields: [Field]
    /// The empty line that ends the block; empty when the block has none.
    public let emptyLine: Range<Int>

    /// Cuts `octets`; stops at the first empty line. Fields beyond `fieldLimit` are not listed.
    public init(_ octets: [UInt8], fieldLimit: Int = .max) {
        self.octets = octets
        var fields: [Field] = []
        fields.reserveCapacity(min(octets.count / 48 + 1, 64))
        let end = octets.withUnsafeBufferPointer { all in
            HeaderFields.walk(all) { field in
                guard fields.count < fieldLimit else { return false }
                fields.append(field)
                return true
            }
        }
        self.fields = fields
        emptyLine = end ?? octets.count..<octets.count
    }

    /// The value of a field, unfolded (RFC 5322, 2.2.3) and without white space around it.
    public func value(of field: Field) -> [UInt8] {
        octets.withUnsafeBufferPointer { HeaderFields.value(of: field, in: $0) }
    }

    /// The name of a field as it stands.
    public func name(of field: Field) -> ArraySlice<UInt8> { octets[field.name] }

    /// Whether a field has this name, in any case.
    public func isNamed(_ field: Field, _ name: some Collection<UInt8>) -> Bool {
        ASCII.equalIgnoringCase(octets[field.name], name)
    }

    /// The fields of this name, in any case.
    public func fields(named name: String) -> [Field] {
        fields.filter { isNamed($0, name.utf8) }
    }

    /// The unfolded value of the first field of this name.
    public func firstValue(named name: String) -> [UInt8]? {
        fields.first { isNamed($0, name.utf8) }.map { value(of: $0) }
    }
}

/// The fields that indexing a message looks at.
enum KnownField {
    case date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageID, received
    case contentType, contentTransferEncoding, contentID, contentDescription, contentDisposition, contentLanguage
    case contentLocation, contentMD5
}

extension HeaderBlock {
    /// Which of the known fields this is. The length decides first: most fields of a message are none of these.
    func knownName(of field: Field) -> KnownField? {
        func named(_ name: StaticString) -> Bool { ASCII.equalIgnoringCase(octets, field.name, name) }
        switch field.name.count {
        case 2: return named("to") ? .to : named("cc") ? .cc : nil
        case 3: return named("bcc") ? .bcc : nil
        case 4: return named("from") ? .from : named("date") ? .date : nil
        case 6: return named("sender") ? .sender : nil
        case 7: return named("subject") ? .subject : nil
        case 8: return named("reply-to") ? .replyTo : named("received") ? .received : nil
        case 10: return named("message-id") ? .messageID : named("content-id") ? .contentID : nil
        case 11: return named("in-reply-to") ? .inReplyTo : named("content-md5") ? .contentMD5 : nil
        case 12: return named("content-type") ? .contentType : nil
        case 16:
            return named("content-language") ? .contentLanguage : named("content-location") ? .contentLocation : nil
        case 19:
            return named("content-disposition")
                ? .contentDisposition : named("content-description") ? .contentDescription : nil
        case 25: return named("content-transfer-encoding") ? .contentTransferEncoding : nil
        case _: return nil
        }
    }
}
