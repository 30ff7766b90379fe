import IMAPSyntax

/// What those fields of a mailbox's messages say that SEARCH has keys for (RFC 9051, 6.4.4), folded as they are compared.
/// The texts of one field stand one behind another, so that a search goes through all messages at once.
struct FieldTexts: KeptMessages {
    /// The fields, in lower case; elsewhere they are called by their positions here.
    static let names = SearchField.allCases.map { Array($0.rawValue.lowercased().utf8) }
    /// What a message takes beside its texts, at most.
    static let rowOctets = 4 + 8 * names.count

    private struct Column: Sendable {
        /// Each text behind a `mark`.
        var texts: [UInt8] = []
        /// Where the texts of each row end.
        var ends: [UInt32] = []
        /// The rows whose texts are not kept.
        var omitted: [UInt32] = []

        /// The texts of a row are complete. Returns their octets; where there is no room they are omitted.
        mutating func end(_ row: Int, room: Int) -> Int {
            let begin = Int(ends.last ?? 0)
            if texts.count - begin > room {
                texts.removeSubrange(begin...)
                omitted.append(UInt32(clamping: row))
            }
            ends.append(UInt32(texts.count))
            return texts.count - begin
        }

        /// The rows of which one text holds the needle; an empty one is in any text.
        func forEachRow(holding needle: TextNeedle, _ take: (Int) -> Void) {
            if needle.octets.isEmpty {
                var begin: UInt32 = 0
                for (row, end) in ends.enumerated() {
                    if end > begin { take(row) }
                    begin = end
                }
                return
            }
            texts.withUnsafeBufferPointer { texts in
                var row = 0
                var from = 0
                while let place = needle.place(in: texts, from: from) {
                    while ends[row] <= place { row += 1 }
                    take(row)
                    from = Int(ends[row])
                }
            }
        }
    }

    private(set) var rows = KeptRows()
    private var columns = [Column](repeating: Column(), count: names.count)
    private var textOctets = 0
    private let room: Int

    /// Not in any UTF-8, so that no needle spans two texts.
    private static let mark: UInt8 = 0xFF
    /// Of a message whose texts of one field are longer than so many octets they are not kept.
    private static let textLimit = 1024

    /// - Parameter room: octets of texts that are kept, up to 4 GiB.
    init(room: Int) { self.room = min(room, Int(UInt32.max)) }

    var octets: Int { 128 + Self.rowOctets * rows.count + textOctets }

    /// False when a later message is there already.
    mutating func append(_ uid: UInt32, _ header: HeaderText) -> Bool {
        guard rows.append(uid) else { return false }
        header.texts(of: Self.names) { field, text in
            columns[field].texts.append(Self.mark)
            columns[field].texts.append(contentsOf: text)
        }
        for field in columns.indices {
            textOctets += columns[field].end(rows.count - 1, room: min(room - textOctets, Self.textLimit))
        }
        return true
    }

    /// What is known of each of these messages, which ascend.
    func findings(_ questions: [FieldQuestion], among uids: [UInt32]) -> [FieldFindings] {
        var findings = [FieldFindings](repeating: .nothing, count: uids.count)
        let positions = rows.positions(in: uids)
        for position in positions where position >= 0 { findings[Int(position)] = FieldFindings() }
        for (number, question) in questions.enumerated() {
            let column = columns[question.field]
            for row in column.omitted.map(Int.init) where positions[row] >= 0 {
                findings[Int(positions[row])].open.insert(number)
            }
            column.forEachRow(holding: question.needle) { row in
                if positions[row] >= 0 { findings[Int(positions[row])].holding.insert(number) }
            }
        }
        return findings
    }
}

/// Whether a field of `FieldTexts` holds a string.
struct FieldQuestion: Sendable {
    var field: Int
    var needle: TextNeedle

    /// Nil for a field that is not kept. The name is in lower case.
    init?(_ name: [UInt8], holds needle: TextNeedle) {
        guard let field = FieldTexts.names.firstIndex(of: name) else { return nil }
        self.field = field
        self.needle = needle
    }
}

/// What is known of one message about a search's questions.
struct FieldFindings: Sendable {
    /// Those that are true of it.
    var holding = NeedleSet()
    /// Those of which that is not known.
    var open = NeedleSet()

    /// Of a message of which nothing is kept.
    static let nothing = FieldFindings(open: .all)

    func holds(_ question: Int) -> Bool? { open.contains(question) ? nil : holding.contains(question) }
}
