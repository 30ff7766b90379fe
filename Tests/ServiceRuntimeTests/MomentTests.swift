import ServiceRuntime
import Testing

@Suite struct MomentTests {
    @Test("Two moments of one machine are as far apart as its time since the start says, whatever its clock says")
    func oneMachine() {
        let first = Moment(machine: 1, uptime: 10, wallClock: 5_000)
        let second = Moment(machine: 1, uptime: 30, wallClock: 1_000)
        #expect(second.since(first) == .microseconds(20) && first.since(second) == .microseconds(-20))
    }

    @Test("Those of two machines, or of an unknown one, are compared by their clocks")
    func twoMachines() {
        for machine in [UInt64(0), 2] {
            let first = Moment(machine: machine, uptime: 10, wallClock: 5_000)
            let second = Moment(machine: machine == 0 ? 0 : 3, uptime: 30, wallClock: 1_000)
            #expect(second.since(first) == .microseconds(-4_000))
        }
    }

    @Test("A moment is of this machine, and moves with both clocks")
    func now() {
        let (first, second) = (Moment.now, Moment.now)
        #expect(first.machine != 0 && first.machine == second.machine)
        #expect(second.since(first) >= .zero && second.since(first) < .seconds(60))
        #expect(first.advanced(by: .milliseconds(3)).since(first) == .milliseconds(3))
        #expect(first.advanced(by: .milliseconds(3)).wallClock == first.wallClock + 3_000)
    }
}
