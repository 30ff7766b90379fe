import Foundation
import NIOCore
import Testing

@testable import IMAPSyntax

/// The examples of the RFCs, in `Dialogues`: every line of a client and of a server must be understood.
/// `C!` and `S!` mark lines that must not be: extensions that are not spoken here, and errors of the RFCs.
/// `c:` and `s:` are lines of the literal that the side's last line announces, and `c+` and `s+` what follows it; the
/// number in the braces is set to the literal's length, since the RFCs' examples do not always count well.
@Suite("The RFCs' dialogues")
struct DialogueTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Dialogues")

    static let files: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".txt") }
        .sorted()

    @Test("There are dialogues")
    func thereAreDialogues() {
        #expect(DialogueTests.files.count >= 17)
    }

    @Test("Every line is understood, or refused where it is marked", arguments: files)
    func dialogues(file: String) throws {
        let text = try String(contentsOf: DialogueTests.folder.appending(path: file), encoding: .utf8)
        for dialogue in Dialogue.all(in: text) {
            var conversation = Conversation()
            for line in dialogue.lines { conversation.say(line, in: "\(file): \(dialogue.title)") }
            #expect(conversation.isComplete, "\(file): \(dialogue.title): octets are left over")
        }
    }

    @Test("The client's lines are understood however they are split", arguments: files)
    func clientSplitEverywhere(file: String) throws {
        let text = try String(contentsOf: DialogueTests.folder.appending(path: file), encoding: .utf8)
        for dialogue in Dialogue.all(in: text) {
            let octets = ByteBuffer(
                string: dialogue.lines.filter { $0.isClient }.map { $0.text + "\r\n" }.joined())
            let whole = events(of: [octets])
            #expect(events(of: pieces(of: octets, size: 1)) == whole)
            for cut in stride(from: 1, to: octets.readableBytes, by: 3) {
                var rest = octets
                let first = rest.readSlice(length: cut) ?? ByteBuffer()
                #expect(events(of: [first, rest]) == whole, "\(dialogue.title), cut at \(cut)")
            }
        }
    }

    @Test("The server's lines are understood however they are split", arguments: files)
    func serverSplitEverywhere(file: String) throws {
        let text = try String(contentsOf: DialogueTests.folder.appending(path: file), encoding: .utf8)
        for dialogue in Dialogue.all(in: text) {
            let octets = ByteBuffer(
                string: dialogue.lines.filter { !$0.isClient }.map { $0.text + "\r\n" }.joined())
            let whole = responses(of: [octets])
            #expect(responses(of: pieces(of: octets, size: 1)) == whole)
            #expect(responses(of: pieces(of: octets, size: 7)) == whole)
        }
    }
}

/// One example: what each side says, in order.
struct Dialogue {
    struct Line {
        var text: String
        var isClient: Bool
        var mustFail: Bool
    }

    var title: String
    var lines: [Line]

    static func all(in text: String) -> [Dialogue] {
        text.split(separator: "\n\n").map { paragraph in
            let rows = paragraph.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
            let title = rows.first { $0.hasPrefix("#") } ?? ""
            return Dialogue(title: title, lines: lines(of: rows.filter { !$0.hasPrefix("#") }))
        }
    }

    private static func lines(of rows: [String]) -> [Line] {
        var lines: [Line] = []
        var literal: [String] = []
        for row in rows {
            let side = row.first?.uppercased() ?? ""
            let rest = String(row.dropFirst(3))
            switch row.prefix(2) {
            case "C:", "S:", "C!", "S!":
                lines.append(Line(text: rest, isClient: side == "C", mustFail: row.dropFirst().first == "!"))
            case "c:", "s:": literal.append(rest)
            case "c+", "s+":
                let content = literal.joined(separator: "\r\n")
                literal = []
                guard let last = lines.lastIndex(where: { $0.isClient == (side == "C") }),
                    let brace = lines[last].text.lastIndex(of: "{")
                else { continue }
                let braces = lines[last].text.hasSuffix("+}") ? "+}" : "}"
                lines[last].text = lines[last].text[..<brace] + "{\(content.utf8.count)\(braces)"
                lines.append(Line(text: content + rest, isClient: side == "C", mustFail: lines[last].mustFail))
            default: Issue.record("not a line of a dialogue: \(row)")
            }
        }
        return lines
    }
}

/// Both parsers, fed with a dialogue line by line.
struct Conversation {
    private var commands = CommandParser(encoding: .utf8)
    private var replies = ResponseParser(encoding: .utf8)
    private var isAuthenticating = false
    private var replyIsComplete = true

    var isComplete: Bool { commands.bufferedOctets == 0 && replyIsComplete }

    mutating func say(_ line: Dialogue.Line, in place: String) {
        let octets = ByteBuffer(string: line.text + "\r\n")
        if line.isClient {
            hearClient(octets, line, place)
        } else {
            hearServer(octets, line, place)
        }
    }

    private mutating func hearClient(_ octets: ByteBuffer, _ line: Dialogue.Line, _ place: String) {
        commands.feed(octets)
        var failed = false
        while true {
            let event = commands.next()
            if event == .needMore { break }
            switch event {
            case .command(let command):
                if case .authenticate = command.command { isAuthenticating = true }
                if case .idle = command.command { commands.awaitIdleEnd() }
            case .invalid(let failure):
                failed = true
                if !line.mustFail {
                    Issue.record("\(place): C: \(line.text): \(failure.problem.text(at: failure.position))")
                }
            case .needMore, .literal, .append, .appendPart, .messageOctets, .messageEnd, .appendNext, .appendEnd,
                .authenticationLine, .idleEnd:
                break
            }
        }
        if line.mustFail, !failed { Issue.record("\(place): C! \(line.text): was understood") }
    }

    private mutating func hearServer(_ octets: ByteBuffer, _ line: Dialogue.Line, _ place: String) {
        replies.awaitsChallenge = isAuthenticating
        replies.feed(octets)
        var failed = false
        replyIsComplete = false
        while true {
            let event = replies.next()
            switch event {
            case .needMore:
                if line.mustFail, !failed { Issue.record("\(place): S! \(line.text): was understood") }
                return
            case .invalid(let failure):
                failed = true
                replyIsComplete = true
                if !line.mustFail {
                    Issue.record("\(place): S: \(line.text): \(failure.problem.text(at: failure.position))")
                }
            case .response(let response):
                replyIsComplete = true
                switch response {
                case .tagged: isAuthenticating = false
                case .continuation where isAuthenticating: commands.awaitAuthenticationLine()
                case .continuation, .untagged: break
                }
            }
        }
    }
}
