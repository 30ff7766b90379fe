import TestRandomness
import Testing

@testable import Database

@Suite("Leases")
struct LeaseQueueTests {
    @Test("go to waiting tasks in the order in which they came")
    func order() {
        var queue = LeaseQueue(size: 1, waitingLimit: 10)
        #expect(queue.requested() == .lend(0))
        #expect(queue.requested() == .wait(ticket: 1))
        #expect(queue.requested() == .wait(ticket: 2))
        #expect(queue.beganToWait(2) == .waits)
        #expect(queue.beganToWait(1) == .waits)
        #expect(queue.returned(0) == 1)
        #expect(queue.returned(0) == 2)
        #expect(queue.returned(0) == nil)
        #expect(queue.requested() == .lend(0))
    }

    @Test("are set aside for a task that is about to wait")
    func setAside() {
        var queue = LeaseQueue(size: 1, waitingLimit: 10)
        #expect(queue.requested() == .lend(0))
        #expect(queue.requested() == .wait(ticket: 1))
        #expect(queue.returned(0) == nil)
        #expect(queue.requested() == .wait(ticket: 2))
        #expect(queue.beganToWait(1) == .lend(0))
    }

    @Test("pass by a task that gave up, before or while it waits")
    func givingUp() {
        var queue = LeaseQueue(size: 1, waitingLimit: 10)
        #expect(queue.requested() == .lend(0))
        for ticket in 1...3 { #expect(queue.requested() == .wait(ticket: ticket)) }
        queue.gaveUp(1)
        #expect(queue.beganToWait(1) == .gaveUp)
        #expect(queue.beganToWait(2) == .waits)
        queue.gaveUp(2)
        #expect(queue.beganToWait(3) == .waits)
        #expect(queue.returned(0) == 3)
    }

    @Test("are refused beyond the limit of waiting tasks")
    func limit() {
        var queue = LeaseQueue(size: 1, waitingLimit: 2)
        _ = queue.requested()
        _ = queue.requested()
        _ = queue.requested()
        #expect(queue.requested() == .refuse)
        queue.gaveUp(1)
        #expect(queue.requested() == .wait(ticket: 3))
    }

    @Test("are neither lost nor doubled, whatever happens", arguments: 0..<20)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = LeaseQueue(size: 3, waitingLimit: 5)
        var lent: Set<Int> = []
        var issued: [Int] = []
        var waiting: [Int] = []
        func lend(_ index: Int) { #expect(lent.insert(index).inserted) }
        for _ in 0..<500 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                switch queue.requested() {
                case .lend(let index): lend(index)
                case .wait(let ticket): issued.append(ticket)
                case .refuse: #expect(issued.count + waiting.count >= 5)
                }
            case 1:
                guard let ticket = issued.randomElement(using: &random) else { continue }
                issued.removeAll { $0 == ticket }
                switch queue.beganToWait(ticket) {
                case .lend(let index): lend(index)
                case .waits: waiting.append(ticket)
                case .gaveUp: break
                }
            case 2:
                guard let index = lent.randomElement(using: &random) else { continue }
                lent.remove(index)
                if let ticket = queue.returned(index) {
                    #expect(waiting.contains(ticket))
                    waiting.removeAll { $0 == ticket }
                    lend(index)
                }
            default:
                guard let ticket = (issued + waiting).randomElement(using: &random) else { continue }
                queue.gaveUp(ticket)
                waiting.removeAll { $0 == ticket }
            }
        }
        // Everything is given back: all three are free again.
        for ticket in issued {
            switch queue.beganToWait(ticket) {
            case .lend(let index): lend(index)
            case .waits: waiting.append(ticket)
            case .gaveUp: break
            }
        }
        while let index = lent.popFirst() {
            if queue.returned(index) != nil { lend(index) }
        }
        #expect(Set([queue.requested(), queue.requested(), queue.requested()].map { "\($0)" }).count == 3)
    }
}
