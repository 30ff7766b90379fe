/// What is not answered with data.
struct FetchShortfall: Sendable {
    var someAreGone = false
    var someCannotBeDecoded = false
}

/// One message of the command in hand.
struct FetchTarget: Sendable {
    var position: Int
    var row: MessageRow
    /// FLAGS are told because this command changed them.
    var seenIsNew: Bool
}
