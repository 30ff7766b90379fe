import Foundation

@testable import MailMessage

/// The octets of a text written with plain line ends, as SMTP carries it.
func wire(_ text: String) -> [UInt8] {
    Array(text.replacingOccurrences(of: "\n", with: "\r\n").utf8)
}

/// Octets as a person reads them.
func text(_ octets: some Collection<UInt8>) -> String {
    String(decoding: octets, as: UTF8.self)
}

func text(_ octets: [UInt8]?) -> String? {
    octets.map { String(decoding: $0, as: UTF8.self) }
}

/// Parses `octets` cut at the given positions.
func parse(
    _ octets: [UInt8], cutAt cuts: [Int], limits: MIMELimits = MIMELimits()
) throws(MessageRefusal) -> ParsedMessage {
    var parser = MessageParser(limits: limits)
    var start = 0
    for cut in cuts + [octets.count] where cut >= start {
        try parser.consume(octets[start..<cut])
        start = cut
    }
    return try parser.finish()
}

/// Parses `octets` in pieces of one size.
func parse(_ octets: [UInt8], pieces size: Int) throws(MessageRefusal) -> ParsedMessage {
    try parse(octets, cutAt: Array(stride(from: size, to: octets.count, by: size)))
}

/// The tree as lines: path of part numbers, type, encoding, octets and lines, disposition.
func structure(_ index: MIMEIndex) -> String {
    var lines: [String] = []
    func visit(_ position: Int, _ path: String) {
        let part = index.parts[position]
        var line = "\(path) \(part.type)/\(part.subtype) \(part.encoding.token) \(part.body.count) \(part.lineCount)"
        if let disposition = part.disposition { line += " " + disposition.type }
        if let filename = part.filename { line += " \"\(filename)\"" }
        lines.append(line)
        for (number, child) in index.children(of: position).enumerated() {
            let isTop = path == "-" || path.hasSuffix("/")
            let prefix = path == "-" ? "" : isTop ? path : path + "."
            visit(child, part.structure == .message ? (path == "-" ? "" : path) + "/" : prefix + String(number + 1))
        }
    }
    visit(0, "-")
    return lines.joined(separator: "\n")
}

/// The messages that other mail software is tested with; empty where the folder is not beside the checkout.
enum ConformanceCorpus {
    static let messages: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.sorted()
    }()

    static func octets(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    private static let folder: URL = {
        let source = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        let checkout = source.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return checkout.appendingPathComponent("../shared/conformance/mime/messages").standardizedFileURL
    }()
}
