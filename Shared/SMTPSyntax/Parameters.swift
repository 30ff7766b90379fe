/// The value of BODY= (RFC 6152, 2 and RFC 3030, 3).
public enum BodyKind: Sendable, Hashable {
    /// Lines of ASCII.
    case sevenBit
    /// Lines of any octets.
    case eightBitMIME
    /// Any octets at all; only BDAT can carry them.
    case binaryMIME

    var word: StaticString {
        switch self {
        case .sevenBit: "7BIT"
        case .eightBitMIME: "8BITMIME"
        case .binaryMIME: "BINARYMIME"
        }
    }
}

/// The value of RET= (RFC 3461, 4.3).
public enum ReturnedContent: Sendable, Hashable {
    /// The whole message comes back.
    case full
    /// Only its header.
    case headers
}

/// The value of NOTIFY= (RFC 3461, 4.1). Empty means NEVER.
public struct NotifyConditions: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt8
    /// From bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Delivered.
    public static let success = NotifyConditions(rawValue: 1)
    /// Failed for good.
    public static let failure = NotifyConditions(rawValue: 2)
    /// Late.
    public static let delay = NotifyConditions(rawValue: 4)
}

/// The value of ORCPT= (RFC 3461, 4.2), decoded.
public struct OriginalRecipient: Sendable, Hashable {
    /// For example `rfc822`.
    public var addressType: String
    /// The address, decoded from xtext.
    public var address: String

    /// Both parts.
    public init(addressType: String, address: String) {
        self.addressType = addressType
        self.address = address
    }
}

/// What may follow the reverse-path.
public struct MailParameters: Sendable, Hashable {
    /// SIZE= (RFC 1870, 6).
    public var size: Int?
    /// BODY= (RFC 6152).
    public var body: BodyKind?
    /// SMTPUTF8 (RFC 6531, 3.4).
    public var smtputf8 = false
    /// AUTH= (RFC 4954, 5), decoded; `<>` when the sender does not say.
    public var auth: String?
    /// RET= (RFC 3461, 4.3).
    public var ret: ReturnedContent?
    /// ENVID= (RFC 3461, 4.4), decoded.
    public var envid: String?
    /// TRANSID= (RFC 1845, 2).
    public var transid: TransID?

    /// None at all.
    public init() {}

    /// A parameter of delivery status notifications is among them (RFC 3461).
    public var asksForNotification: Bool { ret != nil || envid != nil }
}

/// What may follow the forward-path.
public struct RcptParameters: Sendable, Hashable {
    /// NOTIFY= (RFC 3461, 4.1).
    public var notify: NotifyConditions?
    /// ORCPT= (RFC 3461, 4.2).
    public var orcpt: OriginalRecipient?

    /// None at all.
    public init() {}

    /// A parameter of delivery status notifications is among them (RFC 3461).
    public var asksForNotification: Bool { notify != nil || orcpt != nil }
}

extension Cursor {
    /// `*(SP esmtp-keyword ["=" esmtp-value])` up to the end of the line (RFC 5321, 4.1.2).
    private mutating func eachParameter(
        _ body: (_ keyword: Slice<UnsafeRawBufferPointer>, _ value: Slice<UnsafeRawBufferPointer>?)
            throws(CommandError) -> Void
    ) throws(CommandError) {
        while true {
            let before = index
            skipSpaces()
            if isAtEnd { return }
            guard index > before else { throw CommandError(.badArguments) }
            let keyword = take { $0.isLetterOrDigit || $0 == Octet.hyphen }
            guard !keyword.isEmpty else { throw CommandError(.badArguments) }
            var value: Slice<UnsafeRawBufferPointer>?
            if skip(Octet.equals) {
                let taken = take { $0 > Octet.space && $0 != 0x7F }
                guard !taken.isEmpty else { throw CommandError(.badParameterValue) }
                value = taken
            }
            try body(keyword, value)
        }
    }

    mutating func takeMailParameters() throws(CommandError) -> MailParameters {
        var parameters = MailParameters()
        if isAtEnd { return parameters }
        try eachParameter { (keyword, value) throws(CommandError) in
            if keyword.equals("SIZE") {
                guard parameters.size == nil, let octets = value?.decimal else {
                    throw CommandError(.badParameterValue)
                }
                parameters.size = octets
            } else if keyword.equals("BODY") {
                guard parameters.body == nil, let kind = value.flatMap(Self.bodyKind) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.body = kind
            } else if keyword.equals("SMTPUTF8") {
                guard value == nil else { throw CommandError(.badParameterValue) }
                parameters.smtputf8 = true
            } else if keyword.equals("AUTH") {
                guard parameters.auth == nil, let text = value.flatMap(XText.decode) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.auth = text
            } else if keyword.equals("RET") {
                guard parameters.ret == nil, let value else { throw CommandError(.badParameterValue) }
                if value.equals("FULL") {
                    parameters.ret = .full
                } else if value.equals("HDRS") {
                    parameters.ret = .headers
                } else {
                    throw CommandError(.badParameterValue)
                }
            } else if keyword.equals("ENVID") {
                // RFC 3461, 4.4: at most 100 octets.
                guard parameters.envid == nil, let value, value.count <= 100, let text = XText.decode(value) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.envid = text
            } else if keyword.equals("TRANSID") {
                guard parameters.transid == nil, let id = value.flatMap({ TransID($0) }) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.transid = id
            } else {
                throw CommandError(.unknownParameter)
            }
        }
        return parameters
    }

    mutating func takeRcptParameters() throws(CommandError) -> RcptParameters {
        var parameters = RcptParameters()
        if isAtEnd { return parameters }
        try eachParameter { (keyword, value) throws(CommandError) in
            if keyword.equals("NOTIFY") {
                guard parameters.notify == nil, let conditions = value.flatMap(Self.notifyConditions) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.notify = conditions
            } else if keyword.equals("ORCPT") {
                guard parameters.orcpt == nil, let recipient = value.flatMap(Self.originalRecipient) else {
                    throw CommandError(.badParameterValue)
                }
                parameters.orcpt = recipient
            } else {
                throw CommandError(.unknownParameter)
            }
        }
        return parameters
    }

    private static func bodyKind(_ value: Slice<UnsafeRawBufferPointer>) -> BodyKind? {
        [BodyKind.sevenBit, .eightBitMIME, .binaryMIME].first { value.equals($0.word) }
    }

    private static func notifyConditions(_ value: Slice<UnsafeRawBufferPointer>) -> NotifyConditions? {
        if value.equals("NEVER") { return [] }
        var conditions: NotifyConditions = []
        for word in value.split(separator: Octet.comma, omittingEmptySubsequences: false) {
            if word.equals("SUCCESS") {
                conditions.insert(.success)
            } else if word.equals("FAILURE") {
                conditions.insert(.failure)
            } else if word.equals("DELAY") {
                conditions.insert(.delay)
            } else {
                return nil
            }
        }
        return conditions
    }

    private static func originalRecipient(_ value: Slice<UnsafeRawBufferPointer>) -> OriginalRecipient? {
        // RFC 3461, 4.2: at most 500 octets.
        guard value.count <= 500, let semicolon = value.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let type = value[..<semicolon]
        guard !type.isEmpty, type.allSatisfy({ $0.isAtomText && $0.isASCII }),
            let address = XText.decode(value[(semicolon + 1)...]), !address.isEmpty
        else { return nil }
        return OriginalRecipient(addressType: type.text, address: address)
    }
}

extension MailParameters {
    func append(to text: inout String) {
        if let size { text += " SIZE=\(size)" }
        if let body { text += " BODY=\(body.word)" }
        if smtputf8 { text += " SMTPUTF8" }
        if let auth { text += " AUTH=\(auth == "<>" ? auth : XText.encode(auth))" }
        switch ret {
        case .full: text += " RET=FULL"
        case .headers: text += " RET=HDRS"
        case nil: break
        }
        if let envid { text += " ENVID=\(XText.encode(envid))" }
        if let transid { text += " TRANSID=\(transid)" }
    }
}

extension RcptParameters {
    func append(to text: inout String) {
        if let notify {
            var words: [String] = []
            if notify.contains(.success) { words.append("SUCCESS") }
            if notify.contains(.failure) { words.append("FAILURE") }
            if notify.contains(.delay) { words.append("DELAY") }
            text += " NOTIFY=" + (words.isEmpty ? "NEVER" : words.joined(separator: ","))
        }
        if let orcpt { text += " ORCPT=\(orcpt.addressType);\(XText.encode(orcpt.address))" }
    }
}
