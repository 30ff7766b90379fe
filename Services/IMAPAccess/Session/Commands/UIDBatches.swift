import IMAPSyntax

/// UIDBATCHES (RFC 10022, 3.1). It looks at one message of each batch, so that no mailbox is too large and no range too
/// long for it. The result of a search that was saved stays what it is (3.4).
extension Session {
    func uidBatches(_ arguments: UIDBatchesCommand, tag: String) async throws -> CommandOutcome {
        try await followOwnArrivals()
        guard let selected else { throw Refusal.serverBug }
        let wanted = arguments.batches ?? NumberRange(1, .max)
        guard wanted.first <= wanted.last else { throw Refusal(.bad, .clientBug, "Invalid batch range") }
        guard arguments.size >= MessageBatches.leastSize else {
            throw Refusal(.no, .tooFew, "Minimum batch size is \(MessageBatches.leastSize)")
        }
        let batches = MessageBatches(of: selected.view.told, size: Int(arguments.size))
        guard self.selected?.toldBatches.admit(wanted.first...wanted.last, of: batches) == true else {
            throw Refusal(.no, .limit, "These batches were told, and few messages have come or gone since")
        }
        let ranges = batches.ranges(wanted.first...wanted.last)
        printer.untagged(.uidBatches(UIDBatchesResponse(tag: tag, batches: ranges)))
        return .ok("UIDBATCHES completed")
    }
}
