import Foundation
import Testing

@testable import SMTPIngress

/// A conversation in a file that a person can read.
///
///     why: RFC 5321, 3.3: a transaction
///     listener: relay
///     limit: recipients 2
///     S: 220 mx.example.test ESMTP *
///     C: EHLO client.example
///
/// `S:` is a line that must come next (`*` at its end stands for anything), `C:` a line that the client sends; lines that
/// stand together are sent together. `C!` sends octets as they are written, with \r \n \0 \\ and \xHH, and no CRLF.
/// `!handshake` completes TLS, `!idle` lets the time run out, `!drain` shuts down. `A:` is the envelope of the next
/// message handed over, `M:` its octets, written like `C!`. `#` begins a comment.
struct Dialogue: CustomTestStringConvertible, Sendable {
    enum Step: Sendable {
        case client([UInt8])
        case server(String)
        case event(String)
        case envelope(String)
        case message([UInt8])
    }

    var name: String
    var why = ""
    var kind = ListenerKind.relay
    var offersTLS = true
    var beginsWithTLS = false
    var limits = Limits()
    var steps: [Step] = []

    var testDescription: String { "\(name): \(why)" }

    static let all: [Dialogue] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Dialogues")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "txt" }.sorted { $0.path < $1.path }.compactMap { file in
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
            return Dialogue(name: file.deletingPathExtension().lastPathComponent, text: text)
        }
    }()

    init(name: String, text: String) {
        self.name = name
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let line = String(line)
            if line.hasPrefix("S: ") {
                steps.append(.server(String(line.dropFirst(3))))
            } else if line.hasPrefix("C: ") || line == "C:" {
                append(Array(line.dropFirst(3).utf8) + [0x0D, 0x0A])
            } else if line.hasPrefix("C! ") {
                append(Self.octets(line.dropFirst(3)))
            } else if line.hasPrefix("A: ") {
                steps.append(.envelope(String(line.dropFirst(3))))
            } else if line.hasPrefix("M: ") {
                steps.append(.message(Self.octets(line.dropFirst(3))))
            } else if line.hasPrefix("!") {
                steps.append(.event(String(line.dropFirst())))
            } else if let colon = line.firstIndex(of: ":") {
                setting(String(line[..<colon]), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
            } else {
                preconditionFailure("\(name): \(line)")
            }
        }
    }

    private mutating func append(_ octets: [UInt8]) {
        if case .client(let before)? = steps.last {
            steps[steps.count - 1] = .client(before + octets)
        } else {
            steps.append(.client(octets))
        }
    }

    private mutating func setting(_ key: String, _ value: String) {
        switch key {
        case "why": why = value
        case "listener":
            guard let kind = ListenerKind(rawValue: value) else { preconditionFailure("\(name): \(value)") }
            self.kind = kind
            beginsWithTLS = kind.hasImplicitTLS
        case "tls": offersTLS = value != "none"
        case "limit":
            let words = value.split(separator: " ")
            guard words.count == 2, let number = Int(words[1]) else { preconditionFailure("\(name): \(value)") }
            switch words[0] {
            case "message": limits.messageOctets = number
            case "discarded": limits.discardedOctets = number
            case "line": limits.commandLineOctets = number
            case "authentication-line": limits.authenticationLineOctets = number
            case "recipients": limits.recipients = number
            case "transactions": limits.transactions = number
            case "errors": limits.errors = number
            case "idle-commands": limits.idleCommands = number
            case "checkpoint-seconds": limits.checkpoints.keep = .seconds(number)
            case "authentication-failures": limits.authenticationFailures = number
            default: preconditionFailure("\(name): \(value)")
            }
        default: preconditionFailure("\(name): \(key)")
        }
    }

    private static func octets(_ text: Substring) -> [UInt8] {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                octets.append(octet)
                continue
            }
            switch escape {
            case UInt8(ascii: "r"): octets.append(0x0D)
            case UInt8(ascii: "n"): octets.append(0x0A)
            case UInt8(ascii: "0"): octets.append(0)
            case UInt8(ascii: "x"):
                octets.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                rest = rest.dropFirst(2)
            default: octets.append(escape)
            }
        }
        return octets
    }
}
