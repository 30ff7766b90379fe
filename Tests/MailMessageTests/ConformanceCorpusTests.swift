import Testing

@testable import MailMessage

@Suite("Messages that other mail software is tested with")
struct ConformanceCorpusTests {
    @Test("give a sound index, with LF and with CRLF", arguments: ConformanceCorpus.messages)
    func soundness(_ name: String) throws {
        let octets = try ConformanceCorpus.octets(name)
        let plain = try MessageParser.parse(octets)
        expectSound(plain, of: octets)
        let crlf = wire(text(octets).replacingLineEnds())
        expectSound(try MessageParser.parse(crlf), of: crlf)
    }

    @Test("give the same index however they are cut", arguments: ConformanceCorpus.messages)
    func cuts(_ name: String) throws {
        let octets = try ConformanceCorpus.octets(name)
        let whole = try MessageParser.parse(octets)
        if octets.count <= 2048 {
            for cut in 0...octets.count {
                let pieces = try parse(octets, cutAt: [cut])
                if pieces != whole { Issue.record("cut at \(cut)") }
            }
        }
        for size in [1, 2, 61, 1023] {
            let pieces = try parse(octets, pieces: size)
            #expect(pieces == whole, "in pieces of \(size)")
        }
    }

    @Test("keep their tree", arguments: expectedStructures.filter { ConformanceCorpus.messages.contains($0.key) })
    func tree(_ name: String, _ expected: String) throws {
        let message = try MessageParser.parse(ConformanceCorpus.octets(name))
        #expect(structure(message.index) == expected)
    }
}

extension String {
    fileprivate func replacingLineEnds() -> String {
        replacing("\r\n", with: "\n")
    }
}

/// Trees that Python's email package agrees with, or differs from for a reason: it takes delivery status and external
/// bodies apart, keeps a multipart without parts, and looks for an inner boundary only.
private let expectedStructures: [String: String] = [
    "bounce.txt": """
    - multipart/report 7bit 20963 328
    1 text/plain base64 1844 24
    2 message/delivery-status 7bit 934 19
    3 message/rfc822 7bit 17695 266
    3/ multipart/alternative 7bit 16756 246
    3/1 text/plain base64 5364 88
    3/2 text/html base64 11109 145
    """,
    "empty-multipart.txt": """
    - multipart/mixed 7bit 339 12
    1 text/plain 7bit 0 0
    2 text/plain 7bit 84 1
    """,
    "msg_05.txt": """
    - multipart/report 7bit 340 20
    1 text/plain 7bit 18 1
    2 text/plain 7bit 18 1
    3 message/rfc822 7bit 43 3
    3/ text/plain 7bit 18 1
    """,
    "msg_15.txt": """
    - multipart/mixed 7bit 885 41
    1 multipart/alternative 7bit 427 23
    1.1 text/plain quoted-printable 20 1
    1.2 text/html quoted-printable 98 9
    2 image/gif base64 35 1 attachment "xx.gif"
    """,
    "msg_36.txt": """
    - multipart/mixed 7bit 608 33
    1 text/plain 7bit 15 1
    2 multipart/alternative 7bit 493 23
    2.1 message/external-body 7bit 133 5
    2.2 message/external-body 7bit 68 3 "draft-ietf-mboned-mix-00.txt"
    """,
    "msg_39.txt": """
    - multipart/mixed 7bit 1874 80
    1 multipart/mixed 7bit 1554 67
    1.1 multipart/alternative 7bit 372 17
    1.1.1 application/octet-stream base64 4 1
    1.1.2 application/octet-stream base64 4 1
    1.2 multipart/alternative 7bit 372 17
    1.2.1 application/octet-stream base64 4 1
    1.2.2 application/octet-stream base64 4 1
    1.3 multipart/alternative 7bit 374 17
    1.3.1 application/octet-stream base64 4 1
    1.3.2 application/octet-stream base64 4 1
    2 text/plain 7bit 50 2
    """,
    "msg_45.txt": """
    - multipart/signed 7bit 652 23
    1 text/plain 7bit 29 1
    2 application/pgp-signature 7bit 189 7 attachment "signature.asc"
    """,
    "multipart-digest.txt": """
    - message/rfc822 7bit 330 28
    / multipart/digest 7bit 207 23
    /1 message/rfc822 7bit 42 4
    /1/ text/plain 7bit 8 1
    /2 message/rfc822 7bit 42 4
    /2/ text/plain 7bit 8 1
    """,
    "multipart-related-mhtml.txt": """
    - multipart/related 7bit 2502 42
    1 image/png base64 1204 16
    2 text/html quoted-printable 917 13
    """,
]
