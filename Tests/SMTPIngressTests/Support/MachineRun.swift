import Contracts
import Messaging
import NIOCore
import SMTPSyntax
import TestSupport

@testable import SMTPIngress

/// Runs a session machine against the fake peers without a socket. Questions are answered one at a time and only when the
/// machine says that it waits, as late as an answer can come.
struct MachineRun {
    /// A message that was handed over.
    struct Accepted {
        var request: AcceptRequest
        var message: ByteBuffer
    }

    var machine: SessionMachine
    var input = ByteBuffer()
    /// All that was said, as text; `<closed>` and `<handshake>` stand where the connection changes.
    var said = ""
    private(set) var accepted: [Accepted] = []
    /// How many addresses each question to the directory held.
    private(set) var questions: [Int] = []
    private(set) var content = ByteBuffer()
    private var pending: SessionAction?
    private(set) var isClosed = false
    /// What the next MAIL with TRANSID finds.
    var checkpoint: Checkpoint?
    /// What the client gave up.
    private(set) var forgotten: [TransactionID] = []

    init(
        kind: ListenerKind = .relay, offersTLS: Bool = true, limits: Limits = Limits(), tls: TLSFacts? = nil,
        greets: Bool = true
    ) {
        machine = SessionMachine(
            settings: SessionSettings(
                serverName: "mx.example.test", kind: kind, offersTLS: offersTLS, limits: limits),
            mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
        if greets {
            machine.connected(tls: tls)
            run()
        }
    }

    static let someTLS = TLSFacts(
        version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", bindings: [.init(type: "tls-exporter", octets: [1, 2])])

    mutating func send(_ text: String) { send(octets: Array(text.utf8)) }

    mutating func send(octets: [UInt8]) {
        guard !isClosed else { return }
        input.writeBytes(octets)
        run()
    }

    /// The reply to what was sent since the last call.
    mutating func replies() -> String {
        defer { said = "" }
        return said
    }

    mutating func run() {
        while true {
            let action = machine.next(&input)
            if let output = machine.takeOutput() { said += String(buffer: output) }
            switch action {
            case .read:
                return
            case .close:
                if !isClosed { said += "<closed>\r\n" }
                isClosed = true
                return
            case .wait:
                guard let question = pending else { return }
                pending = nil
                answer(question)
            case .startTLS:
                input.clear()
                said += "<handshake>\r\n"
            case .content(var octets):
                content.writeBuffer(&octets)
            case .discard:
                content.clear()
            case .findCheckpoint:
                machine.checkpointAnswered(checkpoint.take())
            case .forgetCheckpoint(let transaction):
                forgotten.append(transaction.id)
            case .accept, .awaitOutcome, .resolve, .checkSender, .authenticate:
                pending = action
            }
        }
    }

    private mutating func answer(_ question: SessionAction) {
        switch question {
        case .resolve(let addresses):
            questions.append(addresses.count)
            machine.resolved(Self.outcome { try FakePeers.resolve(addresses) })
        case .checkSender(let address, let accountID):
            machine.senderChecked(
                Self.outcome {
                    try FakePeers.resolve([address]).first?.targets.contains { $0.accountID == accountID } ?? false
                })
        case .authenticate(.start(let mechanism, let initialResponse)):
            var request = SaslStartRequest()
            request.mechanism = mechanism
            if let initialResponse { request.initialResponse.append(contentsOf: initialResponse) }
            request.channelBindings = machine.tls?.bindings.map { _ in ChannelBinding() } ?? []
            machine.authenticationAnswered((try? AuthenticationAnswer(FakePeers.start(request))) ?? .unavailable)
        case .authenticate(.respond(let exchange, let response)):
            var request = SaslRespondRequest()
            request.exchange.append(contentsOf: exchange)
            request.response.append(contentsOf: response)
            machine.authenticationAnswered((try? AuthenticationAnswer(FakePeers.respond(request))) ?? .unavailable)
        case .accept(let transaction):
            let request = machine.acceptRequest(
                transaction, client: ClientEndpoint(address: "192.0.2.1", port: 4_242),
                octets: content.readableBytes, digest: [], receivedAt: 0)
            let message = content
            content = ByteBuffer()
            switch Self.outcome({ try FakePeers.accept(request, message) }) {
            case .success(let statuses):
                accepted.append(Accepted(request: request, message: message))
                machine.accepted(statuses)
            case .failure(let refusal):
                machine.notAccepted(Replies.peerFailure(refusal.failure))
            }
        case .awaitOutcome:
            machine.answered([Reply(250, "2.0.0", "first")])
        case .read, .wait, .startTLS, .content, .discard, .close, .findCheckpoint, .forgetCheckpoint:
            break
        }
    }

    private static func outcome<Answer>(_ question: () throws -> Answer) -> Result<Answer, PeerRefusal> {
        do {
            return .success(try question())
        } catch {
            return .failure(PeerRefusal(error))
        }
    }
}
