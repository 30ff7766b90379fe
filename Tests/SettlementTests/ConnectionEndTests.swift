import Contracts
import Testing
import TransportSecurity

@testable import Settlement

@Suite struct ConnectionEndTests {
    private struct Reset: Error {}

    private func observer(
        isProxied: Bool = false, _ change: (inout ConnectionEndObserver) -> Void
    ) -> ConnectionEndObserver {
        var observer = ConnectionEndObserver(isProxied: isProxied)
        change(&observer)
        return observer
    }

    @Test("A connection that nobody but us ended did not end in order")
    func server() {
        #expect(observer { _ in }.end == .closedByServer)
        #expect(observer { $0.outputClosed() }.end == .closedByServer)
    }

    @Test("The client's end is in order when all that was written had left and was acknowledged at that moment")
    func order() {
        let written = observer {
            $0.writeBegan()
            $0.writeEnded(sent: true)
            $0.inputEnded(.closeNotify, unacknowledged: 0)
        }
        #expect(written.end == .orderly && written.hasEndedInOrder)
        let unsent = observer {
            $0.writeBegan()
            $0.inputEnded(.closeNotify, unacknowledged: 0)
            // It leaves later: who was done before cannot be known to have read it.
            $0.writeEnded(sent: true)
        }
        #expect(unsent.end == .orderlyUnsent && !unsent.hasEndedInOrder)
        let unheard = observer { $0.inputEnded(.closeNotify, unacknowledged: 1) }
        #expect(unheard.end == .orderlyUnsent && !unheard.hasEndedInOrder)
    }

    @Test("Our own FIN may be unacknowledged, and nothing else")
    func ownEnd() {
        for (octets, end) in [(Int32(0), ConnectionEnd.orderly), (1, .orderly), (2, .orderlyUnsent)] {
            let closed = observer {
                $0.outputClosed()
                $0.inputEnded(.closeNotify, unacknowledged: octets)
            }
            #expect(closed.end == end)
        }
    }

    @Test("Under TLS our own close_notify may be unacknowledged as well, and no octet of a reply")
    func ownFarewell() {
        for (octets, end) in [(Int32(25), ConnectionEnd.orderly), (26, .orderlyUnsent)] {
            let closed = observer {
                $0.outputEnded(TLSOutputEnded(octets: 24))
                $0.outputClosed()
                $0.inputEnded(.closeNotify, unacknowledged: octets)
            }
            #expect(closed.end == end)
        }
    }

    @Test("A reset makes void what an end in order said before")
    func reset() {
        let broken = observer {
            $0.inputEnded(.closeNotify, unacknowledged: 0)
            $0.failed(Reset())
        }
        #expect(broken.end == .reset && !broken.hasEndedInOrder)
        #expect(observer { $0.inputEnded(.reset, unacknowledged: 0) }.end == .reset)
    }

    @Test("Under TLS the first end that is seen counts: FIN after a truncation is still a truncation")
    func truncation() {
        let cut = observer {
            $0.inputEnded(.truncated, unacknowledged: 0)
            $0.inputEnded(.closeNotify, unacknowledged: 0)
        }
        #expect(cut.end == .truncated && !cut.hasEndedInOrder)
    }

    @Test("A client that was silent for too long did not end in order, whatever it says afterwards")
    func silence() {
        let late = observer {
            $0.timedOut()
            $0.inputEnded(.closeNotify, unacknowledged: 0)
        }
        #expect(late.end == .timedOut && !late.hasEndedInOrder)
    }

    @Test("A write that failed never left")
    func failedWrite() {
        let failed = observer {
            $0.writeBegan()
            $0.writeEnded(sent: false)
            $0.inputEnded(.closeNotify, unacknowledged: 0)
        }
        #expect(failed.end == .orderlyUnsent)
    }

    @Test("What ends in order behind a proxy was heard by the proxy: nobody knows of the client, with TLS or without")
    func proxied() {
        let plain = observer(isProxied: true) {
            $0.writeBegan()
            $0.writeEnded(sent: true)
            $0.inputEnded(.closeNotify, unacknowledged: 0)
        }
        #expect(plain.end == .orderlyToProxy && !plain.hasEndedInOrder)
        let encrypted = observer(isProxied: true) {
            $0.outputEnded(TLSOutputEnded(octets: 24))
            $0.outputClosed()
            $0.inputEnded(.closeNotify, unacknowledged: 25)
        }
        #expect(encrypted.end == .orderlyToProxy && !encrypted.hasEndedInOrder)
    }

    @Test("Every other end is the same behind a proxy")
    func otherEndsProxied() {
        #expect(observer(isProxied: true) { $0.inputEnded(.closeNotify, unacknowledged: 1) }.end == .orderlyUnsent)
        #expect(observer(isProxied: true) { $0.inputEnded(.truncated, unacknowledged: 0) }.end == .truncated)
        #expect(observer(isProxied: true) { $0.failed(Reset()) }.end == .reset)
        #expect(observer(isProxied: true) { $0.timedOut() }.end == .timedOut)
        #expect(observer(isProxied: true) { $0.outputClosed() }.end == .closedByServer)
    }

    @Test("A proxied connection that ends in order settles what a prompt was answered behind, and nothing else")
    func proxiedKnowledge() {
        func settled(isProxied: Bool) -> [[ReceiptKey]?] {
            let receipts = (0..<2).map { number in ReceiptKey.with { $0.fingerprints = [.init([number])] } }
            var knowledge = ClientKnowledge(at: .test(0))
            knowledge.replied([receipts[0]])
            knowledge.prompted(at: .test(1))
            let answered = knowledge.promptAnswered()
            knowledge.replied([receipts[1]])
            let end = observer(isProxied: isProxied) { $0.inputEnded(.closeNotify, unacknowledged: 0) }
            knowledge.inputEnded(inOrder: end.hasEndedInOrder)
            return [answered?.receipts, knowledge.closed(inOrder: end.hasEndedInOrder)?.receipts]
        }
        #expect(settled(isProxied: false).map { $0?.count } == [1, 1])
        #expect(settled(isProxied: true).map { $0?.count } == [1, nil])
    }
}
