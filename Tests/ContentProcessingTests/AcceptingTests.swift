import Contracts
import Cryptography
import Foundation
import MailMessage
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ContentProcessing

@Suite("A message that comes in", .timeLimit(.minutes(2)))
struct AcceptingTests {
    @Test("is stored with trace fields, its octets untouched, and everything that IMAP asks for")
    func stored() async throws {
        try await ContentFixture.run { fixture async throws in
            let transaction = TransactionID.next()
            let message = sample()
            let statuses = try await fixture.accept(
                message, to: [local("bob@example.test", 5)], transaction: transaction)
            #expect(statuses.map(\.codes) == ["250 2.0.0"])
            #expect(statuses[0].text == transaction.description)
            let commit = try #require(await fixture.storage.commits.first)
            #expect(await fixture.storage.commits.count == 1)
            #expect(commit.transaction == transaction && commit.idempotencyKey == transaction)
            #expect(
                commit.prefix == "Return-Path: <sender@client.example>\r\n"
                    + "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.test with ESMTP\r\n"
                    + "\tid \(transaction)\r\n\tfor <bob@example.test>;\r\n\tMon, 23 Nov 2026 20:25:56 +0000\r\n")
            #expect(commit.payload.dropFirst().flatMap { Array(buffer: $0) } == message)
            let content = commit.request.content
            #expect(content.headerOctets == Int64(commit.payload[1].readableBytes))
            #expect(content.bodyOctets == 7 && String(buffer: commit.payload[2]) == "hello\r\n")
            #expect(Array(content.digest) == SHA256.hash(message))
            #expect(content.messageID == "<1@client.example>")
            #expect(content.sentDate == 1_795_465_556_000_000)
            #expect(try MIMEIndex(decoding: content.mimeIndex) == MessageParser.parse(message).index)
            #expect(String(decoding: content.envelope, as: UTF8.self).hasPrefix("(\"Mon, 23 Nov 2026"))
            #expect(String(decoding: content.bodyStructure, as: UTF8.self).hasSuffix("7 1 NIL NIL NIL NIL)"))
            #expect(String(decoding: content.body, as: UTF8.self).hasSuffix("\"7BIT\" 7 1)"))
            let store = commit.request.dispositions[0].store
            #expect(store.accountID == 5 && store.mailboxName.isEmpty && store.fallBackToInbox)
            #expect(store.internalDate == 1_795_465_556_000_000)
        }
    }

    @Test("for several recipients names none of them, and one copy serves an account that two addresses lead to")
    func severalRecipients() async throws {
        try await ContentFixture.run { fixture async throws in
            let statuses = try await fixture.accept(
                sample(), to: [local("bob@example.test", 5), local("team@example.test", 5, 6), local("b@x.test", 5)])
            #expect(statuses.map(\.codes) == ["250 2.0.0", "250 2.0.0", "250 2.0.0"])
            let commit = try #require(await fixture.storage.commits.first)
            #expect(commit.request.dispositions.map(\.store.accountID) == [5, 6])
            #expect(!commit.prefix.contains("\tfor "))
        }
    }

    @Test("when large goes to storage as it passes, and is committed by its name", arguments: [1, 3_000_000])
    func staged(_ beyond: Int) async throws {
        try await ContentFixture.run { fixture async throws in
            let message = sample(octets: Payload.inlineLimit + beyond)
            let statuses = try await fixture.accept(message, to: [local("bob@example.test", 5)])
            #expect(statuses.map(\.codes) == ["250 2.0.0"])
            #expect(await fixture.storage.staged == [message])
            let commit = try #require(await fixture.storage.commits.first)
            let content = commit.request.content
            #expect(commit.payload.count == 1 && commit.prefix.hasPrefix("Return-Path: "))
            #expect(content.stagedContentID == 100)
            #expect(Int(content.headerOctets + content.bodyOctets) == message.count)
            #expect(try MIMEIndex(decoding: content.mimeIndex) == MessageParser.parse(message).index)
        }
    }

    @Test("at the inline limit is committed in one call")
    func inlineLimit() async throws {
        try await ContentFixture.run { fixture async throws in
            let message = sample(octets: Payload.inlineLimit)
            #expect(try await fixture.accept(message, to: [local("b@x.test", 5)]).map(\.codes) == ["250 2.0.0"])
            let commit = try #require(await fixture.storage.commits.first)
            #expect(await fixture.storage.staged.isEmpty)
            #expect(commit.payload.dropFirst().flatMap { Array(buffer: $0) } == message)
        }
    }

    // MARK: Submission

    @Test("by submission without Date and Message-ID gets them, in its envelope too (RFC 6409, 8)")
    func completed() async throws {
        try await ContentFixture.run { fixture async throws in
            let bare = Array("Subject: x\r\n\r\nhello\r\n".utf8)
            let transaction = TransactionID.next()
            _ = try await fixture.accept(
                bare, to: [local("b@x.test", 5)], by: .submission, transaction: transaction)
            _ = try await fixture.accept(sample(), to: [local("b@x.test", 5)], by: .submission)
            _ = try await fixture.accept(bare, to: [local("b@x.test", 5)], by: .relay)
            let commits = await fixture.storage.commits
            let identifier = "<\(transaction)@mx.example.test>"
            #expect(
                commits[0].prefix.hasSuffix("Date: Mon, 23 Nov 2026 20:25:56 +0000\r\nMessage-ID: \(identifier)\r\n"))
            #expect(commits[0].request.content.messageID == identifier)
            #expect(commits[0].request.content.sentDate == 1_795_465_556_000_000)
            #expect(String(decoding: commits[0].request.content.envelope, as: UTF8.self).contains(identifier))
            for commit in commits[1...] {
                #expect(!commit.prefix.contains("\r\nDate:") && !commit.prefix.contains("Message-ID"))
            }
            #expect(commits[2].request.content.messageID.isEmpty)
        }
    }

    @Test("for here and elsewhere is one commit whose Return-Path is a first line that the queue can leave out")
    func mixed() async throws {
        try await ContentFixture.run { fixture async throws in
            let statuses = try await fixture.accept(
                sample(), to: [local("bob@example.test", 5), remote("c@Far.Test"), remote("c@far.test")],
                by: .submission
            ) {
                $0.smtputf8 = true
            }
            #expect(statuses.map(\.codes) == ["250 2.0.0", "250 2.0.0", "250 2.0.0"])
            let commit = try #require(await fixture.storage.commits.first)
            #expect(await fixture.storage.commits.count == 1)
            #expect(commit.request.dispositions.map(\.hasEnqueue) == [false, true])
            let enqueue = commit.request.dispositions[1].enqueue
            #expect(enqueue.forwardPath == "c@Far.Test" && enqueue.reversePath == "sender@client.example")
            #expect(enqueue.smtputf8 && !enqueue.binaryMime)
            #expect(commit.prefix.hasPrefix("Return-Path: <sender@client.example>\r\nReceived: "))
        }
    }

    @Test("for elsewhere only carries no Return-Path (RFC 5321, 4.4)")
    func leaving() async throws {
        try await ContentFixture.run { fixture async throws in
            _ = try await fixture.accept(sample(), to: [remote("c@far.test")], by: .submission)
            _ = try await fixture.accept(sample(), to: [remote("alias-of-ours@far.test")], by: .relay)
            for commit in await fixture.storage.commits { #expect(commit.prefix.hasPrefix("Received: ")) }
            #expect(await fixture.storage.commits.count == 2)
        }
    }

    // MARK: Refusals

    @Test("in a loop is refused: 554 5.4.6 (RFC 5321, 6.3)")
    func loop() async throws {
        try await ContentFixture.run { fixture async throws in
            let hop = "Received: from a by b; Mon, 23 Nov 2026 20:25:56 +0000\r\n"
            let travelled = sample(header: String(repeating: hop, count: 50))
            let looping = sample(header: String(repeating: hop, count: 51))
            let recipients = [local("b@x.test", 5), local("c@x.test", 6)]
            #expect(try await fixture.accept(travelled, to: recipients).map(\.code) == [250, 250])
            #expect(try await fixture.accept(looping, to: recipients).map(\.codes) == ["554 5.4.6", "554 5.4.6"])
            #expect(await fixture.storage.commits.count == 1)
        }
    }

    @Test("with a header beyond its limits is refused: 552 5.3.4, 554 5.6.0")
    func headerLimits() async throws {
        var limits = ProcessingLimits()
        limits.mime.headerOctets = 8192
        limits.mime.headerFields = 100
        limits.messageOctets = 8 << 20
        try await ContentFixture.run(limits: limits) { fixture async throws in
            let recipients = [local("b@x.test", 5)]
            let long = sample(header: "X: " + String(repeating: "x", count: 9000) + "\r\n")
            #expect(try await fixture.accept(long, to: recipients).map(\.codes) == ["552 5.3.4"])
            let many = sample(header: String(repeating: "X: y\r\n", count: 100))
            #expect(try await fixture.accept(many, to: recipients).map(\.codes) == ["554 5.6.0"])
            // A large one is refused while it passes: most of it never reaches storage.
            let endless = Array("X: ".utf8) + [UInt8](repeating: 0x78, count: 4_000_000)
            #expect(try await fixture.accept(endless, to: recipients).map(\.codes) == ["552 5.3.4"])
            #expect(await fixture.storage.staged.allSatisfy { $0.count < 2_000_000 })
            let huge = sample(octets: (8 << 20) + 1)
            #expect(try await fixture.accept(huge, to: recipients).map(\.codes) == ["552 5.3.4"])
            #expect(await fixture.storage.commits.isEmpty)
            #expect(try await fixture.accept(sample(), to: recipients).map(\.codes) == ["250 2.0.0"])
        }
    }

    @Test("with a request that contradicts itself is an error of the caller")
    func malformed() async throws {
        try await ContentFixture.run { fixture async throws in
            let recipients = [local("b@x.test", 5)]
            func code(
                _ recipients: [AcceptRequest.Recipient], by door: Door = .relay,
                _ change: (inout AcceptRequest) -> Void
            ) async -> MessagingError.Code? {
                do {
                    _ = try await fixture.accept(sample(), to: recipients, by: door, change)
                    return nil
                } catch {
                    return (error as? MessagingError)?.code
                }
            }
            #expect(await code(recipients) { $0.messageOctets += 1 } == .malformed)
            #expect(await code(recipients) { $0.messageDigest = Data() } == .malformed)
            #expect(await code([]) { _ in } == .malformed)
            #expect(await code([local("nowhere@x.test")]) { _ in } == .malformed)
            #expect(
                await code([remote("c@far.test")], by: .submission) { $0.client.clearIdentity() } == .denied)
            #expect(await fixture.storage.commits.isEmpty)
        }
    }
}
