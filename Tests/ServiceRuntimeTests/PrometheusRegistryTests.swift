import CoreMetrics
import Testing

@testable import ServiceRuntime

@Suite("Metrics as Prometheus reads them")
struct PrometheusRegistryTests {
    private let registry = PrometheusRegistry(labels: [("service", "storage")])

    @Test("Counters count, under their labels")
    func counters() {
        let accepted = registry.makeCounter(label: "martlet.messages_total", dimensions: [("outcome", "accepted")])
        accepted.increment(by: 2)
        registry.makeCounter(label: "martlet.messages_total", dimensions: [("outcome", "accepted")]).increment(by: 3)
        registry.makeCounter(label: "martlet.messages_total", dimensions: [("outcome", "a\"b\\c\n")]).increment(by: 1)
        #expect(
            registry.text() == #"""
                # TYPE martlet_messages_total counter
                martlet_messages_total{service="storage",outcome="a\"b\\c\n"} 1
                martlet_messages_total{service="storage",outcome="accepted"} 5

                """#)
    }

    @Test("Gauges go up and down")
    func gauges() {
        let sessions = registry.makeMeter(label: "sessions", dimensions: [])
        sessions.set(Int64(3))
        sessions.increment(by: 2)
        sessions.decrement(by: 0.5)
        #expect(registry.text().contains("# TYPE sessions gauge\nsessions{service=\"storage\"} 4.5\n"))
    }

    @Test("Timers are histograms in seconds whose counts are cumulative")
    func timers() {
        let timer = registry.makeTimer(label: "commit_seconds", dimensions: [])
        timer.recordNanoseconds(2_000_000)
        timer.recordNanoseconds(2_500_000)
        timer.recordNanoseconds(40_000_000_000)
        let text = registry.text()
        #expect(text.contains("commit_seconds_bucket{service=\"storage\",le=\"0.001\"} 0\n"))
        #expect(text.contains("commit_seconds_bucket{service=\"storage\",le=\"0.0025\"} 2\n"))
        #expect(text.contains("commit_seconds_bucket{service=\"storage\",le=\"30\"} 2\n"))
        #expect(text.contains("commit_seconds_bucket{service=\"storage\",le=\"+Inf\"} 3\n"))
        #expect(text.contains("commit_seconds_count{service=\"storage\"} 3\n"))
        #expect(text.contains("commit_seconds_sum{service=\"storage\"} 40.0045\n"))
    }

    @Test("A label that a stranger chooses does not make the process grow")
    func bounded() {
        for number in 0..<(PrometheusRegistry.seriesLimit * 3) {
            registry.makeCounter(label: "helo", dimensions: [("name", "\(number)")]).increment(by: 1)
        }
        let lines = registry.text().split(separator: "\n").filter { $0.hasPrefix("helo{") }
        #expect(lines.count == PrometheusRegistry.seriesLimit + 1)
        #expect(lines.contains("helo{service=\"storage\",overflow=\"true\"} \(PrometheusRegistry.seriesLimit * 2)"))
    }

    @Test("Many threads lose no count")
    func concurrent() async {
        let registry = registry
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let counter = registry.makeCounter(label: "all", dimensions: [])
                    let sum = registry.makeFloatingPointCounter(label: "sum", dimensions: [])
                    let timer = registry.makeTimer(label: "time", dimensions: [])
                    for _ in 0..<1_000 {
                        counter.increment(by: 1)
                        sum.increment(by: 0.5)
                        timer.recordNanoseconds(1_000_000_000)
                    }
                }
            }
        }
        let text = registry.text()
        #expect(text.contains("all{service=\"storage\"} 8000\n"))
        #expect(text.contains("sum{service=\"storage\"} 4000\n"))
        #expect(text.contains("time_count{service=\"storage\"} 8000\n"))
        #expect(text.contains("time_sum{service=\"storage\"} 8000\n"))
    }

    @Test("A name that is used as two types keeps the first")
    func conflict() {
        registry.makeCounter(label: "thing", dimensions: []).increment(by: 1)
        registry.makeMeter(label: "thing", dimensions: [("a", "b")]).set(Int64(9))
        #expect(registry.text() == "# TYPE thing counter\nthing{service=\"storage\"} 1\n")
    }
}
