import NIOCore
import Testing

@testable import SMTPIngress

/// Every file under Dialogues is a test, once with each group of lines in one piece and once octet by octet.
@Suite struct DialogueTests {
    @Test("There are dialogues") func found() { #expect(Dialogue.all.count > 20) }

    @Test("In one piece", arguments: Dialogue.all)
    func whole(dialogue: Dialogue) { play(dialogue) { run, octets in run.send(octets: octets) } }

    @Test("Octet by octet", arguments: Dialogue.all)
    func octetByOctet(dialogue: Dialogue) {
        play(dialogue) { run, octets in
            for octet in octets { run.send(octets: [octet]) }
        }
    }

    private func play(_ dialogue: Dialogue, send: (inout MachineRun, [UInt8]) -> Void) {
        var run = MachineRun(
            kind: dialogue.kind, offersTLS: dialogue.offersTLS, limits: dialogue.limits,
            tls: dialogue.beginsWithTLS ? MachineRun.someTLS : nil)
        var lines: [Substring] = []
        var accepted = 0
        for step in dialogue.steps {
            lines += run.replies().split(separator: "\r\n", omittingEmptySubsequences: false).dropLast()
            switch step {
            case .client(let octets):
                #expect(lines.isEmpty, "said but not expected")
                send(&run, octets)
            case .server(let expected):
                guard let line = lines.first else {
                    Issue.record("nothing came for: \(expected)")
                    return
                }
                lines.removeFirst()
                let matches =
                    expected.hasSuffix("*") ? line.hasPrefix(expected.dropLast()) : line == expected
                #expect(matches, "expected: \(expected)\n     came: \(line)")
            case .event("handshake"):
                run.machine.tlsEstablished(MachineRun.someTLS)
                run.run()
            case .event("idle"):
                run.machine.idleTooLong()
                run.run()
            case .event("drain"):
                run.machine.drain()
                run.run()
            case .event(let event):
                Issue.record("no such event: \(event)")
            case .envelope(let expected):
                guard accepted < run.accepted.count else {
                    Issue.record("nothing was handed over: \(expected)")
                    return
                }
                let request = run.accepted[accepted].request
                let recipients = request.recipients.map { "<\($0.forwardPath)>" }.joined(separator: ",")
                #expect("<\(request.reversePath)> to \(recipients) with \(request.client.withProtocol)" == expected)
            case .message(let octets):
                guard accepted < run.accepted.count else {
                    Issue.record("nothing was handed over")
                    return
                }
                #expect(Array(run.accepted[accepted].message.readableBytesView) == octets)
                #expect(run.accepted[accepted].request.messageOctets == Int64(octets.count))
                accepted += 1
            }
        }
        lines += run.replies().split(separator: "\r\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.isEmpty, "said but not expected: \(lines)")
        #expect(run.accepted.count == accepted, "handed over but not expected")
    }
}
