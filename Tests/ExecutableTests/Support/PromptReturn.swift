import TestSupport
import Testing

/// A peer goes away and comes back: checks what is seen meanwhile, and that service is normal within two seconds of its
/// return. What else the machine has to do counts too, so there are three chances; a service that waits for something
/// slower misses them all.
func expectPromptReturn(
    of peer: String, goAway: () async throws -> Void, meanwhile: () async throws -> Void,
    comeBack: () async throws -> Void, isServed: () async throws -> Bool
) async throws {
    var times: [Duration] = []
    while times.count < 3, times.last ?? .seconds(3) > .seconds(2) {
        try await goAway()
        try await meanwhile()
        try await comeBack()
        let back = ContinuousClock.now
        try await eventually("service after \(peer) came back", isServed)
        times.append(.now - back)
    }
    #expect(times.contains { $0 <= .seconds(2) }, "normal service came only \(times) after \(peer)")
}

/// As the other, with a stub as the peer.
func expectPromptReturn(
    of stub: StubService, meanwhile: () async throws -> Void, isServed: () async throws -> Bool
) async throws {
    try await expectPromptReturn(
        of: stub.name, goAway: { await stub.stop() }, meanwhile: meanwhile, comeBack: { try stub.start() },
        isServed: isServed)
}
