// IMAP URLs and the names of mailboxes in them, as clients write them in CATENATE and URLAUTH: what is read prints as
// something that reads as the same.

import FuzzDriver
import IMAPSyntax

@main
enum URLFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            let text = String(decoding: input, as: UTF8.self)
            // Percent-encoding may make it longer than what is read.
            if let url = try? IMAPURL(parsing: text), url.text.utf8.count <= IMAPURL.octetLimit {
                check((try? IMAPURL(parsing: url.text)) == url, "a URL changed when it was printed: \(url.text)")
                if let rump = IMAPURL.rump(of: text) {
                    check(text.utf8.starts(with: rump.utf8), "more was taken from a URL than its verifier")
                    check((try? IMAPURL(parsing: rump)) != nil, "without its verifier it is no URL: \(rump)")
                    check(IMAPURL.rump(of: rump) == nil, "a URL had two verifiers: \(text)")
                }
            }
            if let name = ModifiedUTF7.decode(input) {
                check(ModifiedUTF7.decode(ModifiedUTF7.encode(name)) == name, "a name changed: \(name)")
            }
            return 0
        }
    }
}
