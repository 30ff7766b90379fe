/// The rules of credit, for uploads and reply streams alike.
///
/// The reader opens a window of so many octets and grants again what it has consumed. The writer sends what fits into
/// the credit it has left. An item larger than three quarters of the window could never fit while a little is still
/// to be granted, so it may go when at least that much is open: the writer never has more than a window and one such
/// item on its way.
enum Credit {
    /// The window of a reply stream.
    static let streamWindow = 1024 * 1024
    /// The window of an upload.
    static let uploadWindow = 512 * 1024
    /// What a message costs at least, so that empty ones do not pile up without end.
    static let leastCost = 64

    static func permits(cost: Int, available: Int, window: Int) -> Bool {
        cost <= available || available >= window - window / 4
    }

    /// Grants go out in quarters of the window, not one by one.
    static func isDue(consumed: Int, window: Int) -> Bool { consumed >= window / 4 }
}
