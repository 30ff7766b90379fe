import NIOCore
import Testing

@testable import IMAPSyntax

@Suite("Metadata")
struct MetadataTests {
    @Test(
        "Names are kept in lower case, whole ones and those above them",
        arguments: [
            ("/private", false), ("/shared", false), ("/PRIVATE/Comment", true), ("/shared/vendor", false),
            ("/shared/vendor/x", false), ("/shared/vendor/x/y", true), ("/private/a b/c", true),
        ])
    func names(name: String, isComplete: Bool) throws {
        let entry = try #require(MetadataEntry(name))
        #expect(entry.name == name.lowercased())
        #expect(entry.isComplete == isComplete)
        #expect(entry.isPrivate == name.lowercased().hasPrefix("/private"))
    }

    @Test(
        "Others are refused",
        arguments: [
            "", "/", "private", "/privat", "/privates/x", "//private/x", "/private/", "/private//x", "/private/ä",
            "/private/a*", "/private/%", "/private/a\tb", "/private/\u{7F}",
            "/private/" + String(repeating: "x", count: 247),
        ])
    func wrongNames(name: String) {
        #expect(MetadataEntry(name) == nil)
    }

    @Test("Options are understood where the grammar and where the examples have them, alone and together")
    func options() {
        let expected = Command.getMetadata(
            GetMetadataCommand(mailbox: "INBOX", entries: [.privateComment], maxSize: 5, depth: .infinity))
        #expect(command("a GETMETADATA (MAXSIZE 5 DEPTH infinity) INBOX /private/comment\r\n") == expected)
        #expect(command("a GETMETADATA inbox (depth INFINITY maxsize 5) (/Private/Comment)\r\n") == expected)
        #expect(command("a GETMETADATA (MAXSIZE 5) INBOX (DEPTH infinity) /private/comment\r\n") == expected)
    }

    @Test("Values are any octets: NIL, quoted, a literal, and with NUL a literal8")
    func values() {
        func printed(_ octets: [UInt8]?) -> String {
            var printer = ResponsePrinter()
            printer.metadata(of: "", [MetadataValue(.sharedComment, octets.map { ByteBuffer(bytes: $0) })])
            return printer.take().text
        }
        #expect(printed(nil) == "* METADATA \"\" (/shared/comment NIL)\r\n")
        #expect(printed([]) == "* METADATA \"\" (/shared/comment \"\")\r\n")
        #expect(printed(Array("a\r\nb".utf8)) == "* METADATA \"\" (/shared/comment {4}\r\na\r\nb)\r\n")
        #expect(printed([1, 0, 2]) == "* METADATA \"\" (/shared/comment ~{3}\r\n\u{1}\0\u{2})\r\n")
        #expect(
            command("a SETMETADATA INBOX (/shared/comment ~{3+}\r\n\u{1}\0\u{2})\r\n")
                == .setMetadata(
                    SetMetadataCommand(
                        mailbox: "INBOX", values: [MetadataValue(.sharedComment, ByteBuffer(bytes: [1, 0, 2]))])))
        #expect(failure("a SETMETADATA INBOX (/shared/comment {3+}\r\n\u{1}\0\u{2})\r\n") != nil)
    }
}
