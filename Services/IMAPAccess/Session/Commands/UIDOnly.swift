/// UIDONLY (RFC 9586): who has enabled it names no message by its number, which `SessionMachine` sees to, and is told no
/// number. `*` in a set of unique identifiers is one of these, so that it stays allowed.
extension Session {
    /// The beginning of a FETCH response, which names its message (RFC 9586, 3.3 and 3.6).
    func beginFetch(at position: Int, uid: UInt32) {
        if machine.isUIDOnly {
            printer.beginUIDFetch(uid)
        } else {
            printer.beginFetch(UInt32(clamping: position + 1))
        }
    }
}
