import TestRandomness
import Testing

@testable import MailMessage

/// What a reader sees of HTML.
@Suite("HTML as text")
struct HTMLTextTests {
    private func reduce(_ html: some Collection<UInt8>, pieces size: Int = .max) -> [UInt8] {
        let octets = Array(html)
        var reducer = HTMLText()
        var output: [UInt8] = []
        var start = 0
        while start < octets.count {
            let end = start + min(size, octets.count - start)
            reducer.reduce(octets[start..<end], into: &output)
            start = end
        }
        reducer.finish(into: &output)
        return output
    }

    private func visible(_ html: String) -> String { text(reduce(html.utf8)) }

    @Test(
        "Tags go, and what stands on a line of its own stays there",
        arguments: [
            ("<b>tre</b>asure", "treasure"), ("a<br>b<BR/>c", "a\nb\nc"), ("<p>one</p>\n\n<p>two", "one\ntwo"),
            ("  white \r\n\t space  ", "white space"), ("a <i> b </i> c", "a b c"),
            ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"),
            ("<ul><li>a<li>b</ul>", "a\nb"), ("<a href='x>y'>l</a>", "l"), ("<a title=\"a > 'b'\" b=c>l</a>", "l"),
            ("<a href=x/>l</a>", "l"), ("<a = \">l", ""), ("<img alt='text'>", ""), ("x<unknown-element>y", "xy"),
            ("<pre>a  b\r\n  c</pre>  d  e", "a  b\n  c\nd e"), ("<h1>Head</h1>text", "Head\ntext"),
            ("<o:p>&nbsp;</o:p>", "\u{A0}"),
        ])
    func tags(_ html: String, _ expected: String) {
        #expect(visible(html) == expected)
    }

    @Test(
        "Comments, scripts, style sheets and declarations are not shown",
        arguments: [
            ("a<!-- b -->c", "ac"), ("a<!-->b", "ab"), ("a<!-- > -- > ->b-->c", "ac"), ("a<!---->b", "ab"),
            ("a<!--b---->c", "ac"), ("<!DOCTYPE html>a", "a"), ("<?xml version='1'?>a", "a"),
            ("<![if !mso]>a<![endif]>", "a"), ("a</>b", "ab"), ("a</ x>b", "ab"), ("a<!>b", "ab"),
            ("a<script>if (a < b && c > d) '</div>' </script >b", "ab"),
            ("<STYLE type=x>p > a {}</Style>b", "b"), ("<title>a &lt; b</title>c", "c"),
            ("<script>a</scripty></script/ x>b", "b"), ("<script><</script>b", "b"), ("<style>never ended", ""),
            ("a<!-- never ended", "a"), ("a<b never=\"ended", "a"),
            // The head ends a line, whatever it holds.
            ("<head><meta charset=x></head>a", "a"),
        ])
    func hidden(_ html: String, _ expected: String) {
        #expect(visible(html) == expected)
    }

    @Test(
        "Character references, and what looks like one or like a tag and is none",
        arguments: [
            ("&lt;b&gt; &amp;amp; &quot;&apos;", "<b> &amp; \"'"), ("&eacute;&Eacute;&szlig;", "éÉß"),
            ("&euro;&hellip;&rsquo;", "€…’"), ("&#233;&#xE9;&#Xe9;", "ééé"), ("&#128;&#x99;", "€™"),
            ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("&#65&#x42 c", "AB c"), ("&copy 2024 &notit; &notin;", "© 2024 ¬it; ∉"),
            ("&unknown; &;&", "&unknown; &;&"),
            ("AT&T a&b=c", "AT&T a&b=c"), ("&#; &#x; &#xg; &#", "&#; &#x; &#xg; &#"), ("&amp", "&"), ("&am", "&am"),
            ("1 < 2 <3 <", "1 < 2 <3 <"), ("a</", "a</"), ("&lt;<b>&gt;</b>", "<>"), ("&&amp;", "&&"), ("&<i>", "&"),
            ("&nbsp;&zwnj;&shy;", "\u{A0}\u{200C}\u{AD}"), ("a&#10;&#9;b", "a b"), ("&Aacute &AMP;", "Á &"),
            (
                "&abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz;",
                "&abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz;"
            ),
        ])
    func references(_ html: String, _ expected: String) {
        #expect(visible(html) == expected)
    }

    @Test("However it is cut, the text is the same, and nothing traps", arguments: 0..<60 as Range<UInt64>)
    func cuts(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let pieces = [
            "<", ">", "</", "<!", "<!--", "-->", "-", "--", "<p", "<b>", "</b>", "<script>", "</script", "<style", "=",
            "\"", "'", "&", "&#", "&#x", ";", "amp", "eacute", "&copy", "1F600", "128", " ", "\r\n", "\t", "x", "é",
            "日",
            "<pre>", "</pre>", "<br/>", "<?", "/", "<title>", "</title>", "td", "<td>",
        ]
        for _ in 0..<40 {
            var html: [UInt8] = []
            for _ in 0..<Int.random(in: 0...30, using: &generator) {
                html += Array((pieces.randomElement(using: &generator) ?? "").utf8)
                if Int.random(in: 0..<20, using: &generator) == 0 {
                    html.append(UInt8.random(in: 0...255, using: &generator))
                }
            }
            let whole = reduce(html)
            for size in [1, 2, 3, 7] { #expect(reduce(html, pieces: size) == whole, "\(text(html))") }
            #expect(whole.first.map { !ASCII.isBlankOrLineEnd($0) } ?? true)
        }
    }

    @Test("Any text, escaped and with inline tags put into it, is that text", arguments: 0..<40 as Range<UInt64>)
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed &+ 77)
        let characters = Array("abc <>&\"'é日👋\u{A0}\u{301};#x0")
        for _ in 0..<40 {
            var plain = ""
            var html = ""
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                let character = characters.randomElement(using: &generator) ?? "a"
                plain.append(character)
                switch character {
                case "<": html += Bool.random(using: &generator) ? "&lt;" : "&#60;"
                case ">": html += Bool.random(using: &generator) ? "&gt;" : ">"
                case "&": html += Bool.random(using: &generator) ? "&amp;" : "&#x26;"
                case "é": html += Bool.random(using: &generator) ? "&eacute;" : "é"
                case "\u{A0}": html += "&nbsp;"
                case _: html.append(character)
                }
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    html +=
                        ["<b>", "</i >", "<!-- x -->", "<a href=\"&amp;>\">", "<span class='<'>"]
                        .randomElement(using: &generator) ?? ""
                }
            }
            let expected = plain.split(separator: " ").joined(separator: " ")
            #expect(visible(html) == expected, "\(html)")
        }
    }

    @Test("Names of any length keep nothing")
    func names() {
        let long = String(repeating: "a", count: 100_000)
        #expect(visible("<\(long)>x</\(long)>") == "x")
        #expect(visible("&\(long);") == "&\(long);")
        #expect(visible("<style\(long)>x") == "x")
        #expect(visible("<style>\(String(repeating: "</style", count: 10_000))") == "")
    }

    @Test("Which parts are HTML")
    func parts() {
        var part = MIMEPart()
        #expect(!part.isHTML)
        part.subtype = "html"
        #expect(part.isHTML)
        part.type = "application"
        #expect(!part.isHTML)
    }
}

/// The beginning of a text as a list of messages shows it (RFC 8970, 3.3).
@Suite("Previews of texts")
struct PreviewTextTests {
    private func preview(_ pieces: [String]) -> String {
        var preview = PreviewText()
        for piece in pieces { preview.append(Array(piece.utf8)) }
        return preview.text
    }

    @Test(
        "White space is one space, and what cannot be seen is left out",
        arguments: [
            ("  a\r\n\r\n\tb \u{A0}\u{3000} c  ", "a b c"), ("", ""), (" \r\n", ""), ("a\u{0}\u{1B}b\u{85}c", "a b c"),
            ("so\u{AD}ft", "soft"), ("\u{200C}\u{A0}\u{200C}\u{A0}x\u{34F}\u{200B} y", "x y"),
            ("می\u{200C}خواهم", "می\u{200C}خواهم"), ("👩\u{200D}👧", "👩\u{200D}👧"), ("a\u{202E}b\u{2066}c", "abc"),
        ])
    func white(_ text: String, _ expected: String) {
        #expect(preview([text]).unicodeScalars.elementsEqual(expected.unicodeScalars))
    }

    @Test("At most 200 characters, and none of them in two")
    func length() {
        #expect(preview([String(repeating: "x", count: 200)]).count == 200)
        #expect(preview([String(repeating: "x", count: 201)]).count == 200)
        #expect(preview([String(repeating: "日", count: 10_000)]) == String(repeating: "日", count: 200))
        let flags = String(repeating: "x", count: 199) + "🇦🇹"
        #expect(preview([flags]) == String(repeating: "x", count: 199))
        // What a reader takes for one character may be longer than all of it.
        let tower = "a" + String(repeating: "\u{301}", count: 500)
        #expect(preview([tower]).unicodeScalars.count == 200)
        #expect(preview([String(repeating: "x", count: 199), " y"]) == String(repeating: "x", count: 199))
    }

    @Test(
        "However it comes, it is the same, and it ends when nothing more is wanted", arguments: 0..<30 as Range<UInt64>)
    func pieces(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let characters = Array("ab \n\té日👋\u{301}\u{200D}\u{A0}\u{AD}")
        let text = String(
            (0..<Int.random(in: 0...500, using: &generator)).map { _ in
                characters.randomElement(using: &generator) ?? "a"
            })
        let whole = preview([text])
        #expect(preview(text.unicodeScalars.map { String($0) }).unicodeScalars.elementsEqual(whole.unicodeScalars))
        #expect(whole.unicodeScalars.count <= PreviewText.limit)
        #expect(!whole.hasPrefix(" ") && !whole.hasSuffix(" ") && !whole.contains("  "))
        var endless = PreviewText()
        while !endless.isComplete { endless.append(Array("word ".utf8)) }
        endless.append(Array("more".utf8))
        #expect(endless.text.unicodeScalars.count <= PreviewText.limit)
    }
}
