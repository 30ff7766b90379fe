/// The shape of a segment of the index of texts, on which those who make and read segments agree with storage.
///
/// A message's signature is a set of bits, one for each string of three octets in its text. A segment holds the
/// signatures of some messages as rows: row i is bit i of each of them.
public enum TextSegment {
    /// How signatures are made. To be raised with every change of what a message's text is or how bits are found.
    public static let form: Int16 = 1
    /// Messages of a segment.
    public static let messages = 256
    /// Bits of a signature.
    public static let rows = 8192
    /// Octets of a row: a bit for each message, the lowest bit of an octet first.
    public static let rowOctets = messages / 8
    /// Octets of the messages' uids, four each, little endian.
    public static let uidOctets = messages * 4
    /// Octets of all rows.
    public static let octets = rows * rowOctets
    /// Most rows of one question.
    public static let rowLimit = 256
}
