import Contracts
import Cryptography
import Foundation
import Logging
import Messaging
import NIOCore
import TestSupport

@testable import ContentProcessing

/// A storage that remembers what it was asked, and answers as the test wishes.
actor RecordingDelivery: Delivery {
    struct Commit: Sendable {
        var request: CommitRequest
        var payload: [ByteBuffer]
        var transaction: TransactionID
        var idempotencyKey: TransactionID?

        var prefix: String { payload.first.map { String(buffer: $0) } ?? "" }
    }

    private(set) var commits: [Commit] = []
    private(set) var staged: [[UInt8]] = []
    private var outcomes: [Int64: CommitOutcome] = [:]
    private var failures: [MessagingError?] = []
    private var gate: CheckedContinuation<Void, Never>?
    private var isHeld = false

    /// What storing for an account comes to; `done` unless said otherwise.
    func set(_ outcome: CommitOutcome, for account: Int64) { outcomes[account] = outcome }

    /// The next commits fail so, in order; nil lets one pass.
    func fail(_ failures: [MessagingError?]) { self.failures = failures }

    /// Commits wait until `release()`.
    func hold() { isHeld = true }

    func release() {
        isHeld = false
        gate?.resume()
        gate = nil
    }

    func commit(_ request: CommitRequest, payload: [ByteBuffer], _ context: CallContext) async throws -> CommitReply {
        commits.append(
            Commit(
                request: request, payload: payload, transaction: context.transaction,
                idempotencyKey: context.idempotencyKey))
        if isHeld { await withCheckedContinuation { gate = $0 } }
        if !failures.isEmpty, let failure = failures.removeFirst() { throw failure }
        return CommitReply.with { reply in
            reply.results = request.dispositions.enumerated().map { position, disposition in
                .with {
                    $0.outcome = disposition.hasStore ? outcomes[disposition.store.accountID] ?? .done : .done
                    $0.mailboxID = 7
                    $0.uidValidity = 11
                    $0.uid = UInt32(position + 1)
                }
            }
        }
    }

    func stage(_ request: StageRequest, octets: Payload, _ context: CallContext) async throws -> StageReply {
        staged.append([])
        let position = staged.count - 1
        for try await chunk in octets { staged[position] += Array(buffer: chunk) }
        return StageReply.with {
            $0.contentID = Int64(position + 100)
            $0.octets = Int64(staged[position].count)
        }
    }
}

extension Disposition {
    var hasStore: Bool { if case .store = action { true } else { false } }
    var hasEnqueue: Bool { if case .enqueue = action { true } else { false } }
}

/// The real service behind real messaging, with a recording storage behind real messaging too.
struct ContentFixture: Sendable {
    let storage: RecordingDelivery
    let acceptance: AcceptanceClient
    private let storagePair: MessagingPair
    private let servicePair: MessagingPair

    /// Runs `body` with a service of its own.
    static func run(
        limits: ProcessingLimits = ProcessingLimits(), _ body: (ContentFixture) async throws -> Void
    ) async throws {
        let storage = RecordingDelivery()
        let storagePair = try MessagingPair.inproc([DeliveryServer(storage)])
        let service = AcceptanceService(
            delivery: DeliveryClient(storagePair.client), limits: limits, logger: .quiet)
        let servicePair = try MessagingPair.inproc([AcceptanceServer(service)])
        let fixture = ContentFixture(
            storage: storage, acceptance: AcceptanceClient(servicePair.client), storagePair: storagePair,
            servicePair: servicePair)
        do {
            try await body(fixture)
        } catch {
            await fixture.close()
            throw error
        }
        await fixture.close()
    }

    /// Storage goes away.
    func stopStorage() async { await storagePair.server.close() }

    private func close() async {
        await storage.release()
        await servicePair.close()
        await storagePair.close()
    }

    /// Hands a message over as ingress does.
    func accept(
        _ message: [UInt8], to recipients: [AcceptRequest.Recipient], by door: Door = .relay,
        transaction: TransactionID = .next(), timeout: Duration = .seconds(60),
        _ change: (inout AcceptRequest) -> Void = { _ in }
    ) async throws -> [TransactionStatus] {
        var request = AcceptRequest.with {
            $0.door = door
            $0.client = .with {
                $0.address = "192.0.2.1"
                $0.port = 40_000
                $0.greeting = "client.example"
                $0.withProtocol = "ESMTP"
                if door == .submission {
                    $0.identity = .with {
                        $0.accountID = 1
                        $0.address = "alice@example.test"
                    }
                }
            }
            $0.reversePath = "sender@client.example"
            $0.recipients = recipients
            $0.serverName = "mx.example.test"
            $0.receivedAt = 1_795_465_556_000_000
            $0.messageOctets = Int64(message.count)
            $0.messageDigest = Data(SHA256.hash(message))
        }
        change(&request)
        let context = CallContext(transaction: transaction, timeout: timeout, idempotencyKey: transaction)
        return try await acceptance.accept(request, message: Payload(ByteBuffer(bytes: message)), context).statuses
    }

    func append(
        _ message: [UInt8], _ change: (inout AppendRequest) -> Void = { _ in }
    ) async throws -> AppendReply {
        var request = AppendRequest.with {
            $0.accountID = 1
            $0.mailboxName = "Drafts"
            $0.messageOctets = Int64(message.count)
        }
        change(&request)
        let transaction = TransactionID.next()
        return try await acceptance.append(
            request, message: Payload(ByteBuffer(bytes: message)),
            CallContext(transaction: transaction, timeout: .seconds(60), idempotencyKey: transaction))
    }
}

/// A recipient that leads to accounts of ours.
func local(_ address: String, _ accounts: Int64...) -> AcceptRequest.Recipient {
    .with {
        $0.forwardPath = address
        $0.targets = accounts.map { account in
            .with {
                $0.accountID = account
                $0.address = "account\(account)@example.test"
            }
        }
    }
}

/// A recipient that leads elsewhere.
func remote(_ address: String) -> AcceptRequest.Recipient {
    .with {
        $0.forwardPath = address
        $0.targets = [
            .with {
                $0.remoteAddress = address
                $0.address = address
            }
        ]
    }
}

/// A message of so many octets, with Date and Message-ID.
func sample(octets: Int = 0, header: String = "") -> [UInt8] {
    let head = "Date: Mon, 23 Nov 2026 20:25:56 +0000\r\nMessage-ID: <1@client.example>\r\nSubject: x\r\n\(header)\r\n"
    var message = Array(head.utf8) + Array("hello\r\n".utf8)
    while message.count < octets {
        message += Array(String(repeating: "a", count: min(76, octets - message.count)).utf8)
        if message.count + 2 <= octets { message += [13, 10] }
    }
    return message
}

extension TransactionStatus {
    /// For example `250 2.0.0`.
    var codes: String { "\(code) \(enhancedStatus)" }
}
