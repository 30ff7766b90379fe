import TestRandomness
import Testing

@testable import MailMessage

/// A MIME tree that a test makes up, prints, and expects to find again.
private indirect enum Entity {
    case leaf(type: String, body: String)
    case multipart(subtype: String, boundary: String, parts: [Entity])
    case message(Entity)

    static func random(_ generator: inout SeededGenerator, depth: Int, counter: inout Int) -> Entity {
        counter += 1
        switch depth > 0 ? Int.random(in: 0..<5, using: &generator) : 0 {
        case 1, 2:
            let boundary = "=_\(counter)_" + String(repeating: "b", count: Int.random(in: 0...60, using: &generator))
            let parts = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                random(&generator, depth: depth - 1, counter: &counter)
            }
            let subtype = ["mixed", "alternative", "related"].randomElement(using: &generator) ?? "mixed"
            return .multipart(subtype: subtype, boundary: boundary, parts: parts)
        case 3:
            return .message(random(&generator, depth: depth - 1, counter: &counter))
        case _:
            let lines = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
                ["text", "", "--", "-- ", "--=_", "-", "\u{E4}\u{F6}", "--not a boundary--", "From here", "\t"]
                    .randomElement(using: &generator) ?? ""
            }
            let type = ["text/plain", "image/png", "application/pdf"].randomElement(using: &generator) ?? ""
            return .leaf(type: type, body: lines.joined(separator: "\n"))
        }
    }

    var printed: String {
        switch self {
        case .leaf(let type, let body):
            return "Content-Type: \(type)\n\n" + body
        case .multipart(let subtype, let boundary, let parts):
            let head = "Content-Type: multipart/\(subtype);\n boundary=\"\(boundary)\"\n\npreamble\n"
            return head + parts.map { "--\(boundary)\n" + $0.printed + "\n" }.joined() + "--\(boundary)--\nepilogue"
        case .message(let inner):
            return "Content-Type: message/rfc822\n\n" + inner.printed
        }
    }

    /// Type of each entity, and the body of each leaf, in preorder.
    var expected: [String] {
        switch self {
        case .leaf(let type, let body): return [type + " " + text(wire(body))]
        case .multipart(let subtype, _, let parts): return ["multipart/" + subtype] + parts.flatMap(\.expected)
        case .message(let inner): return ["message/rfc822"] + inner.expected
        }
    }
}

@Suite("Random messages")
struct RandomMessageTests {
    @Test("that are well formed are found again part by part", arguments: 0..<60)
    func wellFormed(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var counter = 0
        let entity = Entity.random(&generator, depth: 5, counter: &counter)
        let octets = wire(entity.printed)
        let message = try MessageParser.parse(octets)
        expectSound(message, of: octets)
        let found = message.index.parts.map { part in
            part.type + "/" + part.subtype + (part.structure == .leaf ? " " + text(octets[part.body]) : "")
        }
        #expect(found == entity.expected)
        let cuts = (0..<8).map { _ in Int.random(in: 0...octets.count, using: &generator) }.sorted()
        #expect(try parse(octets, cutAt: cuts) == message)
    }

    @Test("that are broken in any way give a sound index, the same however cut", arguments: 0..<120)
    func broken(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed &+ 1000)
        let pieces = [
            "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822", "--b", "--b--", "--b \t", "--",
            "-", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "x", ": ", " folded",
            "Content-Type: multipart/digest; boundary=bb",
            "--bb", "--bb--", "Content-Transfer-Encoding: base64", "Subject: ä", "\u{0}", "To: a@b, c:d;",
        ]
        var octets: [UInt8] = []
        for _ in 0..<Int.random(in: 0...60, using: &generator) {
            octets += Array((pieces.randomElement(using: &generator) ?? "").utf8)
            if Bool.random(using: &generator) { octets += Array("\r\n".utf8) }
        }
        let limits = MIMELimits(partHeaderOctets: 64, depth: 5, parts: 12)
        let message = try MessageParser.parse(octets, limits: limits)
        expectSound(message, of: octets)
        for size in [1, 2, 3, 17] {
            let cuts = Array(stride(from: size, to: octets.count, by: size))
            #expect(try parse(octets, cutAt: cuts, limits: limits) == message, "in pieces of \(size)")
        }
    }
}
