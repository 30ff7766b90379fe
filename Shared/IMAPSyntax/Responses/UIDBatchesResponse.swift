/// The answer to UIDBATCHES (RFC 10022, 3.1.2).
public struct UIDBatchesResponse: Hashable, Sendable {
    /// The tag of the command that it answers.
    public var tag: String
    /// A range of unique identifiers for each batch, from the highest to the lowest; none for an empty mailbox.
    public var batches: [NumberRange]

    /// A UIDBATCHES response.
    public init(tag: String, batches: [NumberRange]) {
        self.tag = tag
        self.batches = batches
    }
}

extension UIDBatchesResponse {
    /// `search-correlator [SP uid-range *("," uid-range)]`
    static func parse(_ cursor: inout ByteCursor) throws(SyntaxError) -> UIDBatchesResponse {
        try cursor.space()
        try cursor.openParenthesis()
        guard cursor.skip(word: "TAG") else { throw cursor.failure("TAG") }
        try cursor.space()
        var response = UIDBatchesResponse(tag: try cursor.astringText("a tag"), batches: [])
        try cursor.closeParenthesis()
        guard cursor.skip(0x20) else { return response }
        repeat {
            guard response.batches.count < cursor.limits.sequenceRanges else { throw cursor.beyond(.sequenceRanges) }
            response.batches.append(try cursor.numberRange("a range of unique identifiers"))
        } while cursor.skip(UInt8(ascii: ","))
        return response
    }
}

extension ResponsePrinter {
    /// `* UIDBATCHES (TAG "A143") 215295:99696,99695:1`
    public mutating func uidBatches(_ response: UIDBatchesResponse) {
        text("* UIDBATCHES (TAG ")
        string(response.tag)
        text(")")
        for (number, batch) in response.batches.enumerated() {
            octet(number == 0 ? 0x20 : UInt8(ascii: ","))
            numberRange(batch)
        }
        endOfLine()
    }
}
