// Texts of messages on their way to SEARCH, SORT and PREVIEW: charsets, encoded-words, extended parameters, identifiers,
// dates. In one piece or two, a text is the same, and it is UTF-8 whatever its octets are.

import FuzzDriver
import MailMessage

private let charsets = [
    "utf-8", "us-ascii", "iso-8859-1", "windows-1252", "windows-1251", "koi8-r", "iso-2022-jp", "shift_jis", "euc-jp",
    "gb2312", "big5", "euc-kr", "utf-7", "utf-16", "utf-16le", "utf-32", "hz-gb-2312", "iso-2022-kr", "nobody-knows",
]

private func decoded(_ pieces: [ArraySlice<UInt8>], _ charset: String) -> [UInt8] {
    let decoder = CharsetDecoder(charset: charset)
    var output: [UInt8] = []
    for piece in pieces { decoder.decode(Array(piece), into: &output) }
    decoder.finish(into: &output)
    return output
}

@main
enum TextFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            guard input.count >= 2 else { return 0 }
            let charset = charsets[Int(input[0]) % charsets.count]
            let text = Array(input.dropFirst(2))
            let middle = Int(input[1]) % (text.count + 1)
            let whole = decoded([text[...]], charset)
            check(String(validating: whole, as: UTF8.self) != nil, "\(charset) did not become UTF-8")
            check(
                whole == decoded([text[..<middle], text[middle...]], charset),
                "a text in \(charset) depends on how it came")
            _ = CharsetDecoder.decode(text, charset: charset)

            _ = EncodedWords.decode(text)
            check(EncodedWords.octets(text).count <= text.count, "encoded-words grew")
            let parameters = text.split(separator: UInt8(ascii: ";")).map { parameter in
                let name = parameter.prefix { $0 != UInt8(ascii: "=") }
                return MIMEParameter(
                    name: String(decoding: name, as: UTF8.self), value: Array(parameter.dropFirst(name.count + 1)))
            }
            _ = ExtendedParameters.value(of: "filename", in: parameters)
            _ = MessageIdentifier.normalized(in: text)
            if let date = MailDate(parsing: text, anyTime: true) { _ = date.localDay }

            var preview = PreviewText()
            preview.append(Array(text[..<middle]))
            preview.append(Array(text[middle...]))
            check(preview.text.unicodeScalars.count <= PreviewText.limit, "a preview is too long")
            return 0
        }
    }
}
