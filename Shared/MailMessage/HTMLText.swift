/// The text of an HTML document as a reader sees it, made while the document passes: tags, comments, scripts and style
/// sheets are left out, character references become what they stand for, a run of white space is one space, and what a
/// browser puts on a line of its own stands on one.
///
/// Octets come as UTF-8 and leave as UTF-8. They are read as browsers read them (WHATWG HTML, 13.2.5), so that nothing is
/// invalid. No style is looked at: what a style hides counts as text. Whatever comes, no more than a few dozen octets are
/// kept, and the text does not depend on how the octets were cut.
public struct HTMLText: Sendable {
    private enum State: Sendable {
        case text
        /// Behind `&`; the name so far is in `name`.
        case reference
        /// Behind `&#`.
        case numberStart
        /// Behind `&#` and perhaps `x`, which `name` holds then; `digits` when there were some.
        case number(radix: UInt32, value: UInt32, digits: Bool)
        /// Behind `<`.
        case tagOpen
        /// Behind `</`.
        case endTagOpen
        /// The name so far is in `name`.
        case tagName
        /// In a tag, behind its name or a whole attribute.
        case attributes
        /// In a tag, behind `=`.
        case beforeValue
        /// In an attribute's value; 0 when nothing quotes it.
        case value(quote: UInt8)
        /// Behind `<!` and at most one hyphen.
        case markup(hyphens: Int)
        /// In a comment, behind so many hyphens, 2 for more.
        case comment(hyphens: Int)
        /// In what ends with the next `>`: a document type, a processing instruction, what is malformed.
        case declaration
        /// In an element whose content is no markup and not shown; so much of its end tag `</name` has come.
        case hidden(matched: Int)
    }

    /// What stands before the next visible character.
    private enum Gap: Sendable {
        case none
        case space
        case line
    }

    private var state = State.text
    private var gap = Gap.none
    private var hasBegun = false
    /// The name of the tag or reference that is being read, no longer than `nameLimit`.
    private var name: [UInt8] = []
    private var isEndTag = false
    /// The element that `hidden` is in.
    private var hiddenName: [UInt8] = []
    /// Elements that keep their white space and are open.
    private var keepsSpace = 0

    /// No name that means something here is longer; one that reaches it means nothing.
    private static let nameLimit = 33

    /// At the beginning of a document.
    public init() {}

    /// Reads the next octets of the document and appends the text that they make.
    public mutating func reduce(_ input: some Sequence<UInt8>, into output: inout [UInt8]) {
        for octet in input { take(octet, &output) }
    }

    /// The document has ended.
    public mutating func finish(into output: inout [UInt8]) {
        switch state {
        case .reference: endReference(nil, &output)
        case .numberStart: put("&#".utf8, &output)
        case .number(_, let value, let digits): endNumber(value, digits, &output)
        case .tagOpen: put("<".utf8, &output)
        case .endTagOpen: put("</".utf8, &output)
        case .text, .tagName, .attributes, .beforeValue, .value, .markup, .comment, .declaration, .hidden: break
        }
        state = .text
    }

    // MARK: Octets

    private mutating func take(_ octet: UInt8, _ output: inout [UInt8]) {
        switch state {
        case .text:
            switch octet {
            case ASCII.less: state = .tagOpen
            case ASCII.ampersand:
                name.removeAll(keepingCapacity: true)
                state = .reference
            case _: put(octet, &output)
            }
        case .reference, .numberStart, .number: takeReference(octet, &output)
        case .tagOpen: takeTagOpen(octet, &output)
        case .endTagOpen:
            if ASCII.isLetter(octet) {
                beginTag(octet, isEnd: true)
            } else {
                state = octet == ASCII.greater ? .text : .declaration
            }
        case .tagName, .attributes, .beforeValue, .value: takeTag(octet)
        case .markup(let hyphens):
            switch octet {
            case ASCII.hyphen: state = hyphens == 1 ? .comment(hyphens: 2) : .markup(hyphens: 1)
            case ASCII.greater: state = .text
            case _: state = .declaration
            }
        case .comment(let hyphens):
            switch octet {
            case ASCII.hyphen: state = .comment(hyphens: min(hyphens + 1, 2))
            case ASCII.greater where hyphens == 2: state = .text
            case _: state = .comment(hyphens: 0)
            }
        case .declaration:
            if octet == ASCII.greater { state = .text }
        case .hidden(let matched): takeHidden(octet, matched)
        }
    }

    private mutating func takeTagOpen(_ octet: UInt8, _ output: inout [UInt8]) {
        switch octet {
        case ASCII.slash: state = .endTagOpen
        case ASCII.exclamation: state = .markup(hyphens: 0)
        case ASCII.question: state = .declaration
        case _ where ASCII.isLetter(octet): beginTag(octet, isEnd: false)
        case _:
            // A sign that is less than something.
            put(ASCII.less, &output)
            state = .text
            take(octet, &output)
        }
    }

    private mutating func beginTag(_ octet: UInt8, isEnd: Bool) {
        name = [ASCII.lower(octet)]
        isEndTag = isEnd
        state = .tagName
    }

    private mutating func takeTag(_ octet: UInt8) {
        switch state {
        case .value(let quote) where quote != 0:
            if octet == quote { state = .attributes }
        case .value:
            if octet == ASCII.greater { endTag() } else if Self.isSpace(octet) { state = .attributes }
        case .beforeValue:
            if octet == ASCII.greater {
                endTag()
            } else if octet == ASCII.quote || octet == ASCII.apostrophe {
                state = .value(quote: octet)
            } else if !Self.isSpace(octet) {
                state = .value(quote: 0)
            }
        case .tagName where octet != ASCII.greater && octet != ASCII.slash && !Self.isSpace(octet):
            if name.count < Self.nameLimit { name.append(ASCII.lower(octet)) }
        case _:
            switch octet {
            case ASCII.greater: endTag()
            case ASCII.equals: state = .beforeValue
            case _: state = .attributes
            }
        }
    }

    private mutating func endTag() {
        state = .text
        let element = String(decoding: name, as: UTF8.self)
        if Self.ownLine.contains(element) {
            gap = .line
        } else if element == "td" || element == "th", gap == .none {
            gap = .space
        }
        if Self.spaceKeeping.contains(element) { keepsSpace = max(0, keepsSpace + (isEndTag ? -1 : 1)) }
        if !isEndTag, Self.hidden.contains(element) {
            hiddenName = name
            state = .hidden(matched: 0)
        }
    }

    /// Looks for `</name` with the end of a name behind it.
    private mutating func takeHidden(_ octet: UInt8, _ matched: Int) {
        let expected: UInt8? =
            switch matched {
            case 0: ASCII.less
            case 1: ASCII.slash
            case _ where matched - 2 < hiddenName.count: hiddenName[matched - 2]
            case _: nil
            }
        if let expected {
            state = .hidden(matched: ASCII.lower(octet) == expected ? matched + 1 : octet == ASCII.less ? 1 : 0)
        } else if octet == ASCII.greater || octet == ASCII.slash || Self.isSpace(octet) {
            name = hiddenName
            isEndTag = true
            if octet == ASCII.greater { endTag() } else { state = .attributes }
        } else {
            state = .hidden(matched: octet == ASCII.less ? 1 : 0)
        }
    }

    // MARK: Character references

    private mutating func takeReference(_ octet: UInt8, _ output: inout [UInt8]) {
        switch state {
        case .numberStart:
            if octet | 0x20 == UInt8(ascii: "x") {
                name = [octet]
                state = .number(radix: 16, value: 0, digits: false)
            } else if ASCII.isDigit(octet) {
                state = .number(radix: 10, value: UInt32(octet & 0x0F), digits: true)
            } else {
                put("&#".utf8, &output)
                goOn(with: octet, &output)
            }
        case .number(let radix, let value, let digits):
            if let digit = ASCII.hexValue(octet), UInt32(digit) < radix {
                // Beyond the last code point nothing changes any more.
                state = .number(radix: radix, value: min(value * radix + UInt32(digit), 0x11_0000), digits: true)
            } else {
                endNumber(value, digits, &output)
                if octet == ASCII.semicolon, digits { state = .text } else { goOn(with: octet, &output) }
            }
        case _:
            if octet == ASCII.number, name.isEmpty {
                state = .numberStart
            } else if ASCII.isLetter(octet) || ASCII.isDigit(octet), name.count < Self.nameLimit {
                name.append(octet)
            } else {
                endReference(octet, &output)
            }
        }
    }

    /// What follows a reference is text again.
    private mutating func goOn(with octet: UInt8, _ output: inout [UInt8]) {
        state = .text
        take(octet, &output)
    }

    /// `next` is what follows the name; nil at the end of the document.
    private mutating func endReference(_ next: UInt8?, _ output: inout [UInt8]) {
        state = .text
        if next == ASCII.semicolon, let scalar = HTMLEntities.scalar(named: name) { return put(scalar, &output) }
        let length = HTMLEntities.lengthOfOldName(in: name)
        if length > 0, let scalar = HTMLEntities.scalar(named: name[..<length]) {
            put(scalar, &output)
        } else {
            put(ASCII.ampersand, &output)
        }
        let rest = name[length...]
        put(rest, &output)
        if let next { take(next, &output) }
    }

    private mutating func endNumber(_ value: UInt32, _ digits: Bool, _ output: inout [UInt8]) {
        guard digits else {
            put("&#".utf8, &output)
            put(name, &output)
            return
        }
        // Numbers of windows-1252 mean its characters, and what is no character is replaced (WHATWG HTML, 13.2.5.80).
        if (0x80...0x9F).contains(value) {
            var utf8: [UInt8] = []
            CharsetDecoder(charset: "windows-1252").decode([UInt8(value)], into: &utf8)
            put(utf8, &output)
        } else {
            let scalar: Unicode.Scalar = value == 0 ? "\u{FFFD}" : Unicode.Scalar(value) ?? "\u{FFFD}"
            put(scalar, &output)
        }
    }

    // MARK: Text

    private mutating func put(_ scalar: Unicode.Scalar, _ output: inout [UInt8]) {
        put(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter, &output)
    }

    private mutating func put(_ octets: some Sequence<UInt8>, _ output: inout [UInt8]) {
        for octet in octets { put(octet, &output) }
    }

    private mutating func put(_ octet: UInt8, _ output: inout [UInt8]) {
        if Self.isSpace(octet) {
            if keepsSpace == 0 {
                if gap == .none { gap = .space }
                return
            }
            if octet == ASCII.lf { gap = .line }
            guard hasBegun, octet == ASCII.space || octet == ASCII.tab else { return }
        }
        if hasBegun {
            switch gap {
            case .none: break
            case .space: output.append(ASCII.space)
            case .line: output.append(ASCII.lf)
            }
        }
        gap = .none
        hasBegun = true
        output.append(octet)
    }

    private static func isSpace(_ octet: UInt8) -> Bool { ASCII.isBlankOrLineEnd(octet) || octet == 0x0C }

    // MARK: Elements

    /// What begins and ends a line.
    private static let ownLine: Set<String> = [
        "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog",
        "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
        "h6",
        "head", "header", "hr", "html", "legend", "li", "listing", "main", "menu", "nav", "ol", "optgroup", "option",
        "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
    ]
    private static let spaceKeeping: Set<String> = ["pre", "listing", "textarea"]
    /// Whose content nobody sees.
    private static let hidden: Set<String> = [
        "script", "style", "title", "template", "iframe", "noembed", "noframes",
    ]
}

extension MIMEPart {
    /// Whether the text is HTML (RFC 2046, 4.1.4 leaves subtypes to others).
    public var isHTML: Bool { isText && (subtype == "html" || subtype == "x-amp-html") }
}
