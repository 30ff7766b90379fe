/// What an operator may write for an address or a domain. Storage has the last word on both.
enum Addresses {
    /// A mailbox `local@domain`; `allowsCatchAll` permits `@domain` too.
    static func checked(_ text: String, allowsCatchAll: Bool = false) throws -> String {
        let text = String(text.trimmingWhitespace)
        guard let at = text.lastIndex(of: "@"), text.utf8.count <= 320,
            allowsCatchAll || at != text.startIndex, isPrintable(text)
        else {
            throw Failure(
                .unusableData, "\"\(text)\" is no address: expected name@domain, for example alice@example.org")
        }
        _ = try domain(String(text[text.index(after: at)...]))
        return text
    }

    /// A domain name with at least one label.
    static func domain(_ text: String) throws -> String {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.unicodeScalars.allSatisfy {
                    !$0.isASCII || $0 == "-" || $0.properties.isAlphabetic || ("0"..."9").contains($0)
                }
        }
        guard isName, text.utf8.count <= 255 else {
            throw Failure(.unusableData, "\"\(text)\" is no domain: expected a name such as example.org")
        }
        return text
    }

    private static func isPrintable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy {
            $0.properties.generalCategory != .control && $0 != " " && $0 != "<" && $0 != ">"
        }
    }
}

extension String {
    fileprivate var trimmingWhitespace: Substring {
        let head = drop { $0.isWhitespace }
        return head.dropLast(head.reversed().prefix { $0.isWhitespace }.count)
    }
}
