import DequeModule

/// Who has which connection, and who waits: the pool's decisions as a value.
///
/// A waiting task is known by its ticket. Between the moment it got the ticket and the moment it really waits (its
/// continuation is there), a connection may already have been set aside for it, or its time may have run out.
struct LeaseQueue {
    enum Request: Equatable {
        case lend(Int)
        case wait(ticket: Int)
        case refuse
    }

    enum Waiting: Equatable {
        case waits
        case lend(Int)
        case gaveUp
    }

    private enum Ticket {
        case issued
        case waiting
        case setAside(Int)
    }

    private var free: [Int]
    private let waitingLimit: Int
    private var order = Deque<Int>()
    private var tickets: [Int: Ticket] = [:]
    private var lastTicket = 0

    init(size: Int, waitingLimit: Int) {
        // The last one in is the first one out: with little to do few sessions stay in use.
        free = Array((0..<size).reversed())
        self.waitingLimit = waitingLimit
    }

    /// A task asks for a connection.
    mutating func requested() -> Request {
        if let index = free.popLast() { return .lend(index) }
        guard tickets.count < waitingLimit else { return .refuse }
        lastTicket += 1
        tickets[lastTicket] = .issued
        order.append(lastTicket)
        return .wait(ticket: lastTicket)
    }

    /// The task of this ticket is ready to be resumed.
    mutating func beganToWait(_ ticket: Int) -> Waiting {
        switch tickets[ticket] {
        case .issued:
            tickets[ticket] = .waiting
            return .waits
        case .setAside(let index):
            tickets[ticket] = nil
            return .lend(index)
        case .waiting: return .waits
        case nil: return .gaveUp
        }
    }

    /// A connection is not used any more; the ticket is that of the task to resume with it.
    mutating func returned(_ index: Int) -> Int? {
        while let ticket = order.popFirst() {
            switch tickets[ticket] {
            case .waiting:
                tickets[ticket] = nil
                return ticket
            case .issued:
                tickets[ticket] = .setAside(index)
                return nil
            case .setAside, nil:
                continue
            }
        }
        free.append(index)
        return nil
    }

    /// The task of this ticket does not want a connection any more. One that was set aside for it stays so: the task
    /// comes for it, since it has not been resumed.
    mutating func gaveUp(_ ticket: Int) {
        switch tickets[ticket] {
        case .issued, .waiting: tickets[ticket] = nil
        case .setAside, nil: break
        }
    }
}
