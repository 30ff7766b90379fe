import Contracts
import IMAPSyntax
import Messaging
import NIOCore

/// An APPEND of a large message: it goes to content processing while the client sends it, all but its last octets, which
/// are held back until the command has proved complete.
extension Session {
    func handOver(
        _ request: AppendRequest, streamed octets: Int, to command: AppendCommand, _ place: MailboxPlace
    ) async throws -> AppendReply {
        upload = AppendUpload(target: command.mailbox, place: place)
        defer { upload = nil }
        let payload = Payload(octetCount: octets) { [self] in try await nextUploadOctets() }
        let result: Result<AppendReply, any Error>
        do {
            // As long as the client sends: its silence is bounded, and a dead peer is noticed.
            let context = CallContext(
                transaction: transaction, timeout: .seconds(24 * 3600), idempotencyKey: .next())
            result = .success(try await services.acceptance.append(request, message: payload, context))
        } catch {
            result = .failure(error)
        }
        if upload?.isPulling == true {
            signal(.interrupted)
            await withCheckedContinuation { upload?.pullEnded = $0 }
        }
        // What the client ended with goes before what the peer made of it.
        if let failure = upload?.failure { throw failure }
        if upload?.isComplete == false {
            while try await nextMessageOctets() != nil {}
            try await expectEnd()
        }
        machine.appendComplete()
        try check(upload?.header.has8Bit == true)
        return try result.get()
    }

    /// Called by messaging when content processing has room for more.
    private func nextUploadOctets() async throws -> ByteBuffer? {
        guard upload != nil else { throw CancellationError() }
        upload?.isPulling = true
        defer {
            upload?.isPulling = false
            upload?.pullEnded?.resume()
            upload?.pullEnded = nil
        }
        do {
            while upload?.isComplete == false {
                if let piece = try await nextMessageOctets() {
                    upload?.header.take(piece)
                    // It is not stored then: the upload has no end.
                    if upload?.header.has8Bit == true, !machine.utf8IsEnabled { throw CancellationError() }
                    if let held = upload?.exchange(piece) { return held }
                } else {
                    try await expectEnd()
                    try await checkRightsOfUpload()
                    upload?.isComplete = true
                }
            }
            return upload?.exchange(nil)
        } catch {
            if !(error is CancellationError) { upload?.failure = error }
            throw error
        }
    }

    /// The end of the message is held back until it is known that its user may still put it there, with its flags.
    private func checkRightsOfUpload() async throws {
        guard let upload else { return }
        let flagRights: MailboxRights = [.keepSeen, .deleteMessages, .writeFlags]
        let rights = try await rightsStill(at: upload.place, upload.target)
        guard rights.isSuperset(of: upload.place.rights.intersection(flagRights)) else { throw Refusal.noPermission }
    }
}

/// One APPEND that streams through.
struct AppendUpload {
    /// Where it goes, by the client's word and as it was when the command began.
    let target: MailboxName
    let place: MailboxPlace
    /// The newest octets, held back until more come or the command is complete.
    private var held: ByteBuffer?
    /// The command is complete; what is held may go.
    var isComplete = false
    /// Seen in passing.
    var header = AppendedHeader()
    /// What the client did wrong, or that it is gone.
    var failure: (any Error)?
    /// Messaging waits for octets at this moment.
    var isPulling = false
    /// Resumed when it does not any more.
    var pullEnded: CheckedContinuation<Void, Never>?

    init(target: MailboxName, place: MailboxPlace) {
        self.target = target
        self.place = place
    }

    /// Keeps the newest octets and gives out those before.
    mutating func exchange(_ octets: ByteBuffer?) -> ByteBuffer? {
        defer { held = octets }
        return held
    }
}
