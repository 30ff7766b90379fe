/// What FETCH tells of the time when a message was saved (RFC 8514, 4.2).
extension ResponsePrinter {
    /// `SAVEDATE "01-Jan-2015 18:50:53 +0100"`; NIL when it is not known.
    public mutating func fetchSaveDate(_ date: DateTime?) {
        item("SAVEDATE ")
        if let date { dateTime(date) } else { text("NIL") }
    }

    /// SAVEDATE of a time as the system keeps it, in UTC; 0 when it is not known.
    public mutating func fetchSaveDate(microsecondsSince1970 microseconds: Int64) {
        fetchSaveDate(microseconds == 0 ? nil : DateTime(microsecondsSince1970: microseconds))
    }
}
