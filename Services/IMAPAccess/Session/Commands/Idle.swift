import IMAPSyntax
import NIOCore

/// IDLE: the client listens (RFC 9051, 6.3.13).
extension Session {
    func idle() async throws -> CommandOutcome {
        invite(ResponseText(nil, "idling"))
        parser.awaitIdleEnd()
        machine.idleBegan()
        let end = NIODeadline.now() + TimeAmount(limits.idleTimeout)
        var isUpToDate = try await tellNotifications()
        while true {
            flush()
            compression?.rest()
            try inflate()
            let interest: Wakeups = [.input, .ended, .gone, .changed, .notified, .draining]
            let woken =
                hasInput
                ? .input : await wait(for: interest, within: patience(until: end, isUpToDate: isUpToDate))
            if woken.contains(.gone) { throw SessionEnd.clientGone }
            if woken.contains(.draining) { throw SessionEnd.bye(Self.stopping) }
            try inflate()
            if hasInput {
                if let outcome = try idleInput() { return outcome }
            } else if woken.contains(.ended) {
                throw SessionEnd.clientGone
            }
            if end <= .now() { throw SessionEnd.bye(StatusResponse(.bye, nil, "Silent for too long")) }
            if !woken.isDisjoint(with: [.changed, .notified]) || !isUpToDate {
                isUpToDate = try await tellNotifications()
                try await breathe()
            }
        }
    }

    /// Reads what came; nil while DONE is not complete.
    private func idleInput() throws -> CommandOutcome? {
        feedParser()
        switch parser.next() {
        case .needMore:
            return nil
        case .idleEnd:
            return .ok("IDLE completed")
        case .invalid(let failure):
            if failure.mustClose { throw SessionEnd.bye(failure.response) }
            return .answer(StatusResponse(.bad, nil, "Expected DONE"), .full)
        case .command, .literal, .append, .appendPart, .messageOctets, .messageEnd, .appendNext, .appendEnd,
            .authenticationLine:
            return .answer(StatusResponse(.bad, nil, "Expected DONE"), .full)
        }
    }
}
