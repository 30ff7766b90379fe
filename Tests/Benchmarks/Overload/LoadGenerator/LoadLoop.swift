import CEpoll
import Glibc

/// Offers, sends, reads replies and keeps the count.
struct LoadLoop {
    private let plan: LoadPlan
    private let poller: Int32
    private var sessions: [ClientSession]
    /// Places with an open session that waits for a message, and places without a connection; the last is used first,
    /// so that a low load uses few sessions.
    private var idle: [ClientSession] = []
    private var closed: [ClientSession] = []
    /// Messages that wait for a session, by the time when they were offered.
    private var waiting = Fifo<Int64>()
    /// Deadlines in order, since every message has the same limit.
    private var deadlines = Fifo<(at: Int64, session: ClientSession, generation: UInt32)>()
    private var resting = Fifo<(until: Int64, session: ClientSession)>()
    private var report = LoadReport()
    private var template: MessageTemplate
    private let envelopes: [[UInt8]]
    private var serial = 0
    private var open = 0
    private var started: Int64 = 0
    private var now: Int64 = 0
    private var isOffering = true
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    init(_ plan: LoadPlan) throws {
        self.plan = plan
        poller = epoll_create1(0)
        guard poller >= 0 else { throw SystemError("epoll_create1") }
        sessions = (0..<plan.sessions).map(ClientSession.init)
        closed = sessions.reversed()
        template = MessageTemplate(octets: plan.octets, run: UInt64(Self.clock()) ^ UInt64(getpid()) << 48)
        envelopes = plan.recipients.map {
            Array("MAIL FROM:<load@elsewhere.test>\r\nRCPT TO:<\($0)>\r\nDATA\r\n".utf8)
        }
        let seconds = Int(plan.duration / 1_000_000_000) + 1
        report.acceptedBySecond = Array(repeating: 0, count: seconds)
        report.refusedBySecond = Array(repeating: 0, count: seconds)
    }

    private static func clock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Offers for the planned time, then goes on until each message that was offered has an answer or has waited for the
    /// limit: once for a session, and once for its reply.
    mutating func run() throws -> LoadReport {
        started = Self.clock()
        now = started
        var events = [epoll_event](repeating: epoll_event(), count: 512)
        while true {
            now = Self.clock()
            let end = started + plan.duration
            if isOffering, now >= end { isOffering = false }
            if isOffering { offer() }
            expire()
            serveWaiting()
            if !isOffering {
                let isDone = waiting.isEmpty && !sessions.contains { $0.offeredAt != nil }
                if isDone || now > end + 2 * plan.limit { break }
            }
            let count = Int(epoll_wait(poller, &events, Int32(events.count), 1))
            now = Self.clock()
            for event in events.prefix(max(count, 0)) {
                let session = sessions[Int(event.data.u64 & 0xffff_ffff)]
                if session.connection == UInt32(event.data.u64 >> 32) { ready(session, event.events) }
            }
        }
        report.unanswered += waiting.count
        for session in sessions {
            giveUp(session)
        }
        report.measured = plan.duration - plan.warmup
        report.elapsed = now - started
        return report
    }

    // MARK: Offers

    /// Brings out what is due by now.
    private mutating func offer() {
        if plan.isClosedLoop {
            while let session = idle.popLast() ?? closed.popLast() { begin(session, offeredAt: now, isNew: true) }
            return
        }
        let due = Int(Double(now - started) / 1e9 * plan.rate)
        while report.offered < due {
            report.offered += 1
            let time = started + Int64(Double(report.offered) / plan.rate * 1e9)
            if waiting.isEmpty, let session = idle.popLast() ?? closed.popLast() {
                begin(session, offeredAt: time, isNew: false)
            } else {
                waiting.append(time)
            }
        }
    }

    /// A place came free: the message that waits longest takes it.
    private mutating func serveWaiting() {
        while !waiting.isEmpty, let session = idle.popLast() ?? closed.popLast() {
            begin(session, offeredAt: waiting.removeFirst(), isNew: false)
        }
    }

    private mutating func begin(_ session: ClientSession, offeredAt: Int64, isNew: Bool) {
        if isNew { report.offered += 1 }
        report.tried += 1
        session.offeredAt = offeredAt
        session.refusal = nil
        session.generation &+= 1
        deadlines.append((now + plan.limit, session, session.generation))
        if case .idle = session.state { sendEnvelope(session) } else { connect(session) }
    }

    /// Gives up what has waited too long, and wakes those who rested.
    private mutating func expire() {
        while let first = waiting.first, first + plan.limit < now {
            waiting.removeFirst()
            report.unanswered += 1
        }
        while let first = deadlines.first, first.at < now {
            deadlines.removeFirst()
            guard first.session.generation == first.generation, first.session.offeredAt != nil else { continue }
            giveUp(first.session)
        }
        while let first = resting.first, first.until <= now {
            resting.removeFirst()
            first.session.state = .closed
            closed.append(first.session)
        }
    }

    /// The message in hand, if there is one, was not answered in time; no sender goes on with such a connection.
    private mutating func giveUp(_ session: ClientSession) {
        if session.offeredAt != nil {
            session.offeredAt = nil
            switch session.state {
            case .connecting, .greeting: report.ungreeted += 1
            default: report.unansweredInHand += 1
            }
        }
        close(session)
    }

    // MARK: Connections

    private mutating func connect(_ session: ClientSession) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return lose(session, .connectFailed) }
        session.descriptor = descriptor
        session.replies = ReplyScanner()
        session.unsent = []
        session.messages = 0
        session.state = .connecting
        open += 1
        report.connections += 1
        report.highestSessions = max(report.highestSessions, open)
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
        setsockopt(descriptor, Int32(IPPROTO_IP), Self.bindWithoutPort, &one, size)
        let offset = UInt32((report.connections - 1) % plan.sources)
        var local = IPv4Address(value: plan.firstSource.value + offset).socketAddress(port: 0)
        var remote = plan.server.socketAddress(port: plan.port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBegun =
            withUnsafePointer(to: &local) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
            }
            && withUnsafePointer(to: &remote) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, length) == 0 || errno == EINPROGRESS
                }
            }
        // Edge-triggered for both directions: each connection is registered once.
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        session.connection = UInt32(truncatingIfNeeded: report.connections)
        event.data.u64 = UInt64(session.connection) << 32 | UInt64(session.index)
        guard isBegun, epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            return lose(session, .connectFailed)
        }
    }

    /// IP_BIND_ADDRESS_NO_PORT: the port is chosen with the destination in view, so that many connections find one.
    private static let bindWithoutPort: Int32 = 24

    private mutating func close(_ session: ClientSession) {
        guard session.descriptor >= 0 else { return }
        Glibc.close(session.descriptor)
        session.descriptor = -1
        session.generation &+= 1
        open -= 1
        session.state = .closed
        closed.append(session)
    }

    /// The connection is gone, with the message that it had in hand.
    private mutating func lose(_ session: ClientSession, _ loss: LoadReport.Loss) {
        if session.offeredAt != nil {
            session.offeredAt = nil
            report.lost[loss.rawValue] += 1
        }
        if session.descriptor < 0 { closed.append(session) } else { close(session) }
        rest(session)
    }

    /// Lets who was refused wait for the time that the plan says.
    private mutating func rest(_ session: ClientSession) {
        guard plan.retry > 0, case .closed = session.state, closed.last === session else { return }
        closed.removeLast()
        session.state = .resting
        resting.append((now + plan.retry, session))
    }

    private mutating func ready(_ session: ClientSession, _ events: UInt32) {
        guard session.descriptor >= 0 else { return }
        if case .connecting = session.state {
            guard events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) == 0 else { return lose(session, .connectFailed) }
            session.state = .greeting
        }
        if events & EPOLLOUT.rawValue != 0, !session.unsent.isEmpty {
            let rest = session.unsent
            session.unsent = []
            rest.withUnsafeBytes { Self.send(session, $0) }
        }
        if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
            receive(session)
        }
    }

    private mutating func receive(_ session: ClientSession) {
        while session.descriptor >= 0 {
            let count = recv(session.descriptor, buffer.baseAddress, buffer.count, 0)
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return ended(session) }
            for place in 0..<count {
                guard let code = session.replies.take(buffer[place]) else { continue }
                replied(session, code)
                if session.descriptor < 0 { return }
            }
            if count < buffer.count { return }
        }
    }

    /// The server ended the connection.
    private mutating func ended(_ session: ClientSession) {
        switch session.state {
        case .closed, .resting: return
        case .connecting: lose(session, .connectFailed)
        case .greeting: lose(session, .beforeGreeting)
        case .hello, .envelope: lose(session, .beforeDot)
        case .content: lose(session, .afterDot)
        case .quitting: close(session)
        case .idle:
            report.idleSessionsEnded += 1
            forget(session)
            close(session)
        }
    }

    private mutating func forget(_ session: ClientSession) {
        if let place = idle.lastIndex(where: { $0 === session }) { idle.remove(at: place) }
    }

    private static func send(_ session: ClientSession, _ octets: UnsafeRawBufferPointer) {
        let count = max(0, Glibc.send(session.descriptor, octets.baseAddress, octets.count, 0))
        // What failed for good shows itself when the end of the connection is read.
        if count < octets.count { session.unsent.append(contentsOf: octets[count...]) }
    }

    // MARK: The dialogue

    private mutating func replied(_ session: ClientSession, _ code: Int) {
        switch session.state {
        case .greeting:
            guard code == 220 else { return refuse(session, code) }
            session.state = .hello
            Self.send(session, "EHLO load.elsewhere.test\r\n")
        case .hello:
            guard code == 250 else { return refuse(session, code) }
            if session.offeredAt == nil { becomeIdle(session) } else { sendEnvelope(session) }
        case .envelope(let received):
            if code >= 400, session.refusal == nil { session.refusal = code }
            guard received == 2, code != 421 else {
                if code == 421 { refuse(session, code) } else { session.state = .envelope(received: received + 1) }
                return
            }
            guard code == 354 else { return refuse(session, session.refusal ?? code) }
            session.state = .content
            serial += 1
            template.withMessage(serial) { Self.send(session, $0) }
        case .content:
            if code == 250 { accepted(session) } else { refuse(session, session.refusal ?? code) }
        case .idle:
            report.idleSessionsEnded += 1
            forget(session)
            close(session)
        case .quitting, .closed, .resting, .connecting:
            close(session)
        }
    }

    private static func send(_ session: ClientSession, _ line: StaticString) {
        send(session, UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount))
    }

    private mutating func sendEnvelope(_ session: ClientSession) {
        session.state = .envelope(received: 0)
        session.begunAt = now
        session.messages += 1
        envelopes[(report.tried + session.index) % envelopes.count].withUnsafeBytes { Self.send(session, $0) }
    }

    private mutating func refuse(_ session: ClientSession, _ code: Int) {
        if session.offeredAt != nil {
            session.offeredAt = nil
            report.refused[code, default: 0] += 1
            if let second { report.refusedBySecond[second] += 1 }
        }
        if case .content = session.state, code != 421, plan.retry == 0 { return becomeIdle(session) }
        if case .content = session.state, code != 421 { quit(session) } else { close(session) }
        rest(session)
    }

    private mutating func quit(_ session: ClientSession) {
        session.state = .quitting
        Self.send(session, "QUIT\r\n")
    }

    private mutating func accepted(_ session: ClientSession) {
        guard let offeredAt = session.offeredAt else { return close(session) }
        session.offeredAt = nil
        report.accepted += 1
        if let second { report.acceptedBySecond[second] += 1 }
        let age = now - started
        if age >= plan.warmup {
            if age <= plan.duration { report.acceptedInTime += 1 }
            report.latencies.append(Int32(clamping: (now - session.begunAt) / 1_000))
            report.waits.append(Int32(clamping: (now - offeredAt) / 1_000))
        }
        if plan.messagesPerSession > 0, session.messages >= plan.messagesPerSession {
            quit(session)
        } else {
            becomeIdle(session)
        }
    }

    private mutating func becomeIdle(_ session: ClientSession) {
        session.state = .idle
        if let offeredAt = waiting.first {
            waiting.removeFirst()
            begin(session, offeredAt: offeredAt, isNew: false)
        } else if plan.isClosedLoop, isOffering {
            begin(session, offeredAt: now, isNew: true)
        } else {
            idle.append(session)
        }
    }

    private var second: Int? {
        let second = Int((now - started) / 1_000_000_000)
        return second < report.acceptedBySecond.count ? second : nil
    }
}

/// A queue whose head moves; what was taken is given back in large pieces.
struct Fifo<Element> {
    private var elements: [Element] = []
    private var head = 0

    var count: Int { elements.count - head }
    var isEmpty: Bool { head == elements.count }
    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    @discardableResult
    mutating func removeFirst() -> Element {
        defer {
            head += 1
            if head > 4_096, head * 2 > elements.count {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }
}
