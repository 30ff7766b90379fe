/// Values that were asked for lately, whose costs together stay within a limit.
///
/// There are two generations. What is put in or asked for goes into the young one; when that has half of the room, the old
/// one is dropped and the young one takes its place.
struct Generations<Key: Hashable, Value> {
    private typealias Entry = (value: Value, cost: Int)

    private var young: [Key: Entry] = [:]
    private var old: [Key: Entry] = [:]
    private var youngCost = 0
    private let limit: Int

    /// Nothing is kept with a limit of 0.
    init(limit: Int) { self.limit = limit }

    var count: Int { young.count + old.count }

    /// The value of a key, which is young from now on.
    mutating func find(_ key: Key) -> Value? {
        if let entry = young[key] { return entry.value }
        guard let entry = old[key] else { return nil }
        put(entry.value, key, cost: entry.cost)
        return entry.value
    }

    /// Keeps a value in place of the key's last one. One that costs more than half of the limit is not kept.
    mutating func put(_ value: Value, _ key: Key, cost: Int) {
        old[key] = nil
        youngCost -= young.removeValue(forKey: key)?.cost ?? 0
        guard cost <= limit / 2 else { return }
        if youngCost + cost > limit / 2 {
            old = young
            young = [:]
            youngCost = 0
        }
        young[key] = (value, cost)
        youngCost += cost
    }
}
