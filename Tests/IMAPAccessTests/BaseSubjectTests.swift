import TestRandomness
import TestSupport
import Testing

@testable import IMAPAccess

/// RFC 5256, 2.1.
@Suite("Base subjects")
struct BaseSubjectTests {
    @Test(
        "without what replies and forwards have added",
        arguments: [
            ("", "", false),
            ("hello", "hello", false),
            ("Re: hello", "hello", true),
            ("RE:hello", "hello", true),
            ("re : hello", "hello", true),
            ("Re: re: RE: hello", "hello", true),
            ("Fw: hello", "hello", true),
            ("FWD: hello", "hello", true),
            ("Fwdd: hello", "Fwdd: hello", false),
            ("Reply: hello", "Reply: hello", false),
            ("re hello", "re hello", false),
            ("Re[2]: hello", "hello", true),
            ("Re [2] : hello", "hello", true),
            ("Re [2] [3]: hello", "Re [2] [3]: hello", false),
            ("[list] hello", "hello", false),
            ("[list] Re: hello", "hello", true),
            ("Re: [list] hello", "hello", true),
            ("Re: [list] Re: [other] hello", "hello", true),
            ("[a] [b] [c] hello", "hello", false),
            ("[a][b]Re:hello", "hello", true),
            ("hello (fwd)", "hello", true),
            ("hello (FWD) (fwd)  ", "hello", true),
            ("hello(fwd)", "hello", true),
            ("hello (fwd) there", "hello (fwd) there", false),
            ("[fwd: hello]", "hello", true),
            ("[FWD: Re: hello (fwd)]", "hello", true),
            ("[fwd: [fwd: hello]]", "hello", true),
            ("Re: [fwd: [list] fw: hello]  ", "hello", true),
            ("[fwd: hello] there", "there", false),
            ("[fwd: hello", "[fwd: hello", false),
            ("[fwd:]", "", true),
            // A blob stays when it is all that there is.
            ("[list]", "[list]", false),
            ("Re: [list]", "[list]", true),
            ("[a] [list]", "[list]", false),
            ("[a] [list] (fwd)", "[list]", true),
            ("[a] Re: [b] [list]", "[list]", true),
            // Blobs do not nest.
            ("[a [b]] hello", "[a [b]] hello", false),
            ("[unclosed hello", "[unclosed hello", false),
            ("hello [tag]", "hello [tag]", false),
            // Nothing is left.
            ("Re:", "", true),
            ("Re: (fwd)", "", true),
            ("(fwd)", "", true),
            ("   ", "", false),
            ("Re: Re[4]:", "", true),
            // White space.
            ("hello   there\t\tworld", "hello there world", false),
            ("hello\r\n there", "hello there", false),
            ("\t Re:\t hello \t", "hello", true),
            ("Grüße", "Grüße", false),
            ("AW: hello", "AW: hello", false),
        ])
    func extraction(_ subject: String, _ base: String, _ isReply: Bool) {
        let found = BaseSubject(of: Array(subject.utf8))
        #expect(String(decoding: found.octets, as: UTF8.self) == base)
        #expect(found.isReplyOrForward == isReply)
    }

    @Test(
        "with encoded-words decoded before",
        arguments: [
            ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", true),
            ("=?utf-8?q?Re=3A_?= =?iso-8859-1?q?Gr=FC=DFe?=", "=?utf-8?b?R3LDvMOfZQ==?=", true),
            ("Re: =?koi8-r?b?8NLJ18XU?=", "=?utf-8?b?0J/RgNC40LLQtdGC?=", true),
            ("=?utf-8?q?hello?= (fwd)", "hello", true),
            ("=?us-ascii?q?hello=09=09there?=", "HELLO there", false),
        ])
    func encodedWords(_ subject: String, _ same: String, _ isReply: Bool) {
        let (key, found) = BaseSubject.key(of: Array(subject.utf8))
        #expect(key == BaseSubject.key(of: Array(same.utf8)).key)
        #expect(!key.isEmpty)
        #expect(found == isReply)
    }

    @Test("The base subject of a base subject is itself")
    func idempotent() {
        var generator = SeededGenerator(seed: 5256)
        let pieces = ["re", "fw", "fwd", ":", "[", "]", " ", "\t", "(fwd)", "[fwd:", "x", "[x]", "Re:", "y"]
        for _ in 0..<20_000 {
            let subject = (0..<Int.random(in: 0...9, using: &generator)).map { _ in
                pieces[Int.random(in: pieces.indices, using: &generator)]
            }.joined()
            let base = BaseSubject(of: Array(subject.utf8))
            let again = BaseSubject(of: base.octets)
            #expect(again.octets == base.octets, "\(subject)")
            #expect(!again.isReplyOrForward, "\(subject)")
        }
    }

    @Test("A hostile subject takes time in proportion to its length", .timeLimit(.minutes(1)))
    func hostile() async throws {
        for piece in ["[]", "[a] ", "re:", "[fwd:", "re[", "(fwd)", " ", "[", "re[]", "[x]re: "] {
            let subject = Array(String(repeating: piece, count: 200_000).utf8)
            let closed = subject + Array(repeating: UInt8(ascii: "]"), count: 200_000)
            for octets in [subject, subject + Array("x".utf8), closed] {
                #expect(try await blocking { BaseSubject(of: octets).octets.count } <= octets.count)
            }
        }
    }
}
