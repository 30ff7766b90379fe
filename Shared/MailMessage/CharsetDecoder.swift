#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Turns text of any charset into UTF-8 as it passes; what is invalid becomes U+FFFD.
///
/// UTF-8, UTF-7, US-ASCII and the Latin charsets are done here, all others by iconv. A charset that nobody knows is read as
/// UTF-8. US-ASCII and ISO-8859-1 are read as windows-1252 where they hold what they cannot hold, as all readers do
/// (WHATWG Encoding, 4.2). One decoder belongs to one body and one thread.
public final class CharsetDecoder {
    private enum Kind {
        case utf8
        case utf7(UTF7Decoder)
        case windows1252
        case converter(iconv_t)
    }

    private var kind: Kind
    /// The beginning of a character that the chunk's end cut.
    private var pending: [UInt8] = []

    /// Whether the charset has a name that this system knows.
    public let isKnown: Bool

    /// A decoder at the beginning of a text.
    public init(charset: String) {
        let name = Self.canonicalName(charset)
        switch name {
        case "utf-8":
            kind = .utf8
            isKnown = true
        case "utf-7":
            kind = .utf7(UTF7Decoder())
            isKnown = true
        case "us-ascii", "iso-8859-1", "windows-1252":
            kind = .windows1252
            isKnown = true
        case _:
            let isName =
                !name.isEmpty && name.utf8.count <= 64
                && name.utf8.allSatisfy { ASCII.isLetter($0) || ASCII.isDigit($0) || "-_:.+()".utf8.contains($0) }
            // iconv_open answers (iconv_t)-1 for a name that it does not know.
            if isName, let owned = iconv_open("UTF-8", name), owned != UnsafeMutableRawPointer(bitPattern: -1) {
                kind = .converter(owned)
                isKnown = true
            } else {
                kind = .utf8
                isKnown = false
            }
        }
    }

    deinit {
        if case .converter(let owned) = kind { iconv_close(owned) }
    }

    /// Converts the next octets.
    public func decode(_ input: [UInt8], into output: inout [UInt8]) {
        switch kind {
        case .utf8: decodeUTF8(input, isLast: false, into: &output)
        case .utf7(var decoder):
            decoder.decode(input, into: &output)
            kind = .utf7(decoder)
        case .windows1252: Self.decodeWindows1252(input, into: &output)
        case .converter(let borrowed): convert(input, borrowed, into: &output)
        }
    }

    /// The text has ended.
    public func finish(into output: inout [UInt8]) {
        switch kind {
        case .utf8: decodeUTF8([], isLast: true, into: &output)
        case .utf7(var decoder):
            decoder.finish(into: &output)
            kind = .utf7(UTF7Decoder())
        case .windows1252: break
        case .converter(let borrowed):
            if !pending.isEmpty { output += Self.replacement }
            pending = []
            iconv(borrowed, nil, nil, nil, nil)
        }
    }

    /// Converts a text that is at hand as a whole. Text in US-ASCII, or in a charset that nobody knows, that holds
    /// octets beyond US-ASCII is UTF-8 when it is valid as such.
    public static func decode(_ input: [UInt8], charset: String) -> String {
        let name = canonicalName(charset)
        if name == "utf-8"
            || input.allSatisfy({ $0 < 0x80 && $0 != 0x1B && $0 != 0x7E && $0 != 0x2B }) && name.isASCIIBased
        {
            return String(decoding: input, as: UTF8.self)
        }
        if name == "us-ascii", let valid = String(validating: input, as: UTF8.self) { return valid }
        let decoder = CharsetDecoder(charset: charset)
        if !decoder.isKnown {
            if let valid = String(validating: input, as: UTF8.self) { return valid }
            return decode(input, charset: "windows-1252")
        }
        var output: [UInt8] = []
        decoder.decode(input, into: &output)
        decoder.finish(into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    // MARK: Inside

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    private func convert(_ input: [UInt8], _ borrowed: iconv_t, into output: inout [UInt8]) {
        var source = pending + input
        pending = []
        var buffer = [UInt8](repeating: 0, count: min(max(source.count * 2, 64), 16 * 1024))
        var consumed = 0
        while consumed < source.count {
            var produced = 0
            var failure: Int32 = 0
            source.withUnsafeMutableBytes { raw in
                buffer.withUnsafeMutableBytes { target in
                    var from = raw.baseAddress.map { ($0 + consumed).assumingMemoryBound(to: CChar.self) }
                    var fromLeft = raw.count - consumed
                    var to = target.baseAddress?.assumingMemoryBound(to: CChar.self)
                    var toLeft = target.count
                    if iconv(borrowed, &from, &fromLeft, &to, &toLeft) == Int(bitPattern: UInt.max) { failure = errno }
                    consumed = raw.count - fromLeft
                    produced = target.count - toLeft
                }
            }
            output += buffer[0..<produced]
            switch failure {
            case 0: break
            case E2BIG: if produced == 0 { return }
            case EINVAL where source.count - consumed <= 16:
                pending = Array(source[consumed...])
                return
            case _:
                output += Self.replacement
                consumed += 1
            }
        }
    }

    private func decodeUTF8(_ input: [UInt8], isLast: Bool, into output: inout [UInt8]) {
        let source = pending.isEmpty ? input : pending + input
        pending = []
        var end = source.count
        if !isLast {
            // A character that is not whole yet waits: at most three octets.
            var start = source.count
            while start > 0, source.count - start < 3, source[start - 1] & 0xC0 == 0x80 { start -= 1 }
            if start > 0 {
                let needed =
                    switch source[start - 1] {
                    case 0xC2...0xDF: 2
                    case 0xE0...0xEF: 3
                    case 0xF0...0xF4: 4
                    case _: 1
                    }
                if source.count - (start - 1) < needed { end = start - 1 }
            }
            pending = Array(source[end...])
        }
        output.append(contentsOf: String(decoding: source[..<end], as: UTF8.self).utf8)
    }

    private static func decodeWindows1252(_ input: [UInt8], into output: inout [UInt8]) {
        output.reserveCapacity(output.count + input.count)
        for octet in input {
            if octet < 0x80 {
                output.append(octet)
            } else {
                let scalar = octet < 0xA0 ? windows1252[Int(octet) - 0x80] : UInt16(octet)
                if scalar < 0x800 {
                    output.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
                } else {
                    output.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
                    output.append(UInt8(truncatingIfNeeded: 0x80 | (scalar >> 6 & 0x3F)))
                }
                output.append(UInt8(truncatingIfNeeded: 0x80 | (scalar & 0x3F)))
            }
        }
    }

    /// What 0x80 to 0x9F mean in windows-1252.
    private static let windows1252: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x9D, 0x017E, 0x0178,
    ]

    /// Lower case; names that the world uses for charsets which iconv knows by another, or which are read as a
    /// superset.
    private static func canonicalName(_ charset: String) -> String {
        let name = charset.lowercased()
        return aliases[name] ?? name
    }

    private static let aliases: [String: String] = [
        "utf8": "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-8-mac": "utf-8",
        "ascii": "us-ascii", "ansi_x3.4-1968": "us-ascii", "iso646-us": "us-ascii", "us": "us-ascii",
        "latin1": "iso-8859-1", "iso8859-1": "iso-8859-1", "iso_8859-1": "iso-8859-1", "iso-8859-1-i": "iso-8859-1",
        "l1": "iso-8859-1", "cp1252": "windows-1252", "x-cp1252": "windows-1252", "ansi": "windows-1252",
        "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949", "euc-kr": "cp949",
        "gb2312": "gb18030", "gb_2312-80": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
        "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms_kanji": "cp932",
        "iso-2022-jp-1": "iso-2022-jp-2", "x-euc-jp": "euc-jp", "big5": "big5-hkscs", "x-big5": "big5-hkscs",
        "iso-8859-8-i": "iso-8859-8", "iso-8859-8-e": "iso-8859-8", "iso-8859-6-i": "iso-8859-6",
        "iso-8859-9": "windows-1254", "iso-8859-11": "cp874", "tis-620": "cp874", "x-mac-roman": "macintosh",
        "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7",
    ]
}

extension String {
    /// Whether plain US-ASCII octets mean themselves in this charset, shifted and wide charsets excepted.
    fileprivate var isASCIIBased: Bool {
        !hasPrefix("utf-7") && !hasPrefix("utf-16") && !hasPrefix("utf-32") && !hasPrefix("ucs") && !hasPrefix("hz")
            && !hasPrefix("ebcdic") && !hasPrefix("ibm") && !hasPrefix("iso-10646")
    }
}
