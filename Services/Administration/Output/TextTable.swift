/// Columns that line up, for people.
enum TextTable {
    /// Rows below a heading; a text instead when there is none.
    static func text(_ heading: [String], _ rows: [[String]], whenEmpty: String) -> String {
        guard !rows.isEmpty else { return whenEmpty }
        let all = [heading] + rows
        let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column < row.count - 1 {
                    line += String(repeating: " ", count: widths[column] - cell.count + 2)
                }
            }
            return line
        }.joined(separator: "\n")
    }

    /// A size for a person: `1.4 GB`.
    static func size(_ octets: Int64) -> String {
        var value = Double(octets)
        for unit in ["octets", "KB", "MB", "GB"] {
            if value < 1_024 { return unit == "octets" ? "\(octets)" : "\((value * 10).rounded() / 10) \(unit)" }
            value /= 1_024
        }
        return "\((value * 10).rounded() / 10) TB"
    }
}
