import CoreMetrics
import Synchronization

/// A backend of swift-metrics that answers in Prometheus' text format 0.0.4.
///
/// Making a handler takes a lock; using one does not. Each name has at most ``seriesLimit`` sets of labels; what comes
/// beyond shares one series with the label `overflow="true"`, so that a label that a stranger can choose does not
/// make the process grow.
public final class PrometheusRegistry: MetricsFactory {
    /// Most sets of labels of one name.
    public static let seriesLimit = 500

    private enum Series {
        case counter(CounterSeries)
        case gauge(GaugeSeries)
        case floatingCounter(GaugeSeries)
        case histogram(HistogramSeries)

        var type: String {
            switch self {
            case .counter, .floatingCounter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    private struct Family {
        var series: [String: Series] = [:]
    }

    private let families = Mutex<[String: Family]>([:])
    private let common: String

    /// Every series carries these labels, for example the service and the replica.
    public init(labels: [(String, String)] = []) {
        common = MetricName(label: "_", dimensions: labels).labels
    }

    /// The counter of this name and these labels.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let series = series(label, dimensions) { .counter(CounterSeries()) }
        if case .counter(let counter) = series { return counter }
        return CounterSeries()
    }

    /// The counter of this name and these labels, for amounts that are not whole.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        let series = series(label, dimensions) { .floatingCounter(GaugeSeries()) }
        if case .floatingCounter(let counter) = series { return counter }
        return GaugeSeries()
    }

    /// The gauge of this name and these labels.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, dimensions)
    }

    /// A histogram; without aggregation a gauge, which is what swift-metrics calls `Gauge`.
    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else { return gauge(label, dimensions) }
        return histogram(label, dimensions, bounds: HistogramSeries.sizeBounds)
    }

    /// A histogram in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions, bounds: HistogramSeries.secondBounds)
    }

    // Handlers live as long as the process: the same label comes back with its count.
    /// Keeps it.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Keeps it.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// Keeps it.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// Keeps it.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Keeps it.
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// All series as text, families and series in the order of their names.
    public func text() -> String {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            guard let type = family.series.first?.value.type else { continue }
            text += "# TYPE \(name) \(type)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                write(name, labels, series, to: &text)
            }
        }
        return text
    }

    private func write(_ name: String, _ labels: String, _ series: Series, to text: inout String) {
        switch series {
        case .counter(let counter): text += "\(name)\(braced(labels)) \(counter.value)\n"
        case .gauge(let gauge), .floatingCounter(let gauge):
            text += "\(name)\(braced(labels)) \(Self.number(gauge.value))\n"
        case .histogram(let histogram):
            let counts = histogram.cumulativeCounts
            for (bound, count) in zip(histogram.bounds, counts) {
                text += "\(name)_bucket\(braced(labels, "le=\"\(Self.number(bound))\"")) \(count)\n"
            }
            let all = counts.last ?? 0
            text += "\(name)_bucket\(braced(labels, "le=\"+Inf\"")) \(all)\n"
            text += "\(name)_sum\(braced(labels)) \(Self.number(histogram.total))\n"
            text += "\(name)_count\(braced(labels)) \(all)\n"
        }
    }

    private func braced(_ labels: String, _ last: String = "") -> String {
        let all = [common, labels, last].filter { !$0.isEmpty }.joined(separator: ",")
        return all.isEmpty ? "" : "{\(all)}"
    }

    private static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeSeries {
        let series = series(label, dimensions) { .gauge(GaugeSeries()) }
        if case .gauge(let gauge) = series { return gauge }
        return GaugeSeries()
    }

    private func histogram(_ label: String, _ dimensions: [(String, String)], bounds: [Double]) -> HistogramSeries {
        let series = series(label, dimensions) { .histogram(HistogramSeries(bounds: bounds)) }
        if case .histogram(let histogram) = series { return histogram }
        return HistogramSeries(bounds: bounds)
    }

    /// The series of this name and these labels, made when it is not there. A name that is used with two types keeps
    /// its first one; the second user gets a series that is not shown.
    private func series(_ label: String, _ dimensions: [(String, String)], make: () -> Series) -> Series {
        let name = MetricName(label: label, dimensions: dimensions)
        return families.withLock { families in
            if let known = families[name.name]?.series[name.labels] { return known }
            let new = make()
            var family = families[name.name] ?? Family()
            if let first = family.series.first?.value, first.type != new.type { return new }
            let labels = family.series.count < Self.seriesLimit ? name.labels : "overflow=\"true\""
            if let known = family.series[labels] { return known }
            family.series[labels] = new
            families[name.name] = family
            return new
        }
    }
}
