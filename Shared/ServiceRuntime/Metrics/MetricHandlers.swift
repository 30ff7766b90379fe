import Atomics
import CoreMetrics

/// A number that only grows. One atomic addition, no lock.
final class CounterSeries: CounterHandler {
    private let count = ManagedAtomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) { count.wrappingIncrement(by: amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

/// A floating point number that threads add to, kept as its bit pattern.
struct AtomicDouble: Sendable {
    private let bits = ManagedAtomic<UInt64>(0)

    var value: Double {
        get { Double(bitPattern: bits.load(ordering: .relaxed)) }
        nonmutating set { bits.store(newValue.bitPattern, ordering: .relaxed) }
    }

    func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = bits.weakCompareExchange(
                expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
}

/// A number that goes up and down.
final class GaugeSeries: MeterHandler, RecorderHandler, FloatingPointCounterHandler {
    private let number = AtomicDouble()

    var value: Double { number.value }

    func set(_ value: Int64) { number.value = Double(value) }
    func set(_ value: Double) { number.value = value }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func record(_ value: Int64) { number.value = Double(value) }
    func record(_ value: Double) { number.value = value }
    func reset() { number.value = 0 }
}

/// How values spread: counts by upper bound, their sum and number. Two atomic operations and one compare-exchange.
final class HistogramSeries: RecorderHandler, TimerHandler {
    /// Upper bounds in seconds, from a tenth of a millisecond to half a minute.
    static let secondBounds = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]
    /// Upper bounds for everything that is not a time: sizes and counts.
    static let sizeBounds = [
        1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ]
    .map(Double.init)

    let bounds: [Double]
    private let buckets: [ManagedAtomic<Int64>]
    private let sum = AtomicDouble()

    init(bounds: [Double]) {
        self.bounds = bounds
        buckets = (0...bounds.count).map { _ in ManagedAtomic(0) }
    }

    /// Cumulative counts in step with the bounds, then the count of all.
    var cumulativeCounts: [Int64] {
        var total: Int64 = 0
        return buckets.map { bucket in
            total &+= bucket.load(ordering: .relaxed)
            return total
        }
    }

    var total: Double { sum.value }

    func record(_ value: Double) {
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] < value { low = middle + 1 } else { high = middle }
        }
        buckets[low].wrappingIncrement(ordering: .relaxed)
        sum.add(value)
    }

    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
