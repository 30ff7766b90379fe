/// The profile of stringprep for names and passwords (RFC 4013): what looks the same becomes the same octets, and what
/// nobody can type on purpose is refused.
public enum SASLprep {
    /// Whether a string is kept or compared (RFC 3454, 7).
    public enum Use: Sendable, Hashable {
        /// It is kept: it may not hold code points that were not assigned.
        case stored
        /// It is compared with one that is kept.
        case query
    }

    /// Why a string is refused.
    public enum Failure: Error, Sendable, Hashable {
        /// A control character, a private one, or another of RFC 4013, 2.3.
        case prohibited(Unicode.Scalar)
        /// Left-to-right and right-to-left mixed (RFC 3454, 6).
        case bidirectional
        /// Not assigned in Unicode 3.2 (RFC 4013, 2.5).
        case unassigned(Unicode.Scalar)
    }

    /// The prepared string in UTF-8.
    public static func prepare(_ text: String, for use: Use) throws(Failure) -> [UInt8] {
        if text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) { return Array(text.utf8) }

        var mapped: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars {
            if StringprepTables.nonASCIISpaces.contains(scalar) {
                mapped.append(" ")
            } else if !StringprepTables.mappedToNothing.contains(scalar) {
                mapped.append(scalar)
            }
        }
        let prepared = Normalization.unicode3_2.formKC(mapped)
        for scalar in prepared {
            if StringprepTables.prohibited.contains(scalar) { throw .prohibited(scalar) }
            if use == .stored, StringprepTables.unassigned.contains(scalar) { throw .unassigned(scalar) }
        }
        try checkDirections(prepared)
        var octets: [UInt8] = []
        for scalar in prepared { octets.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? []) }
        return octets
    }

    private static func checkDirections(_ scalars: [Unicode.Scalar]) throws(Failure) {
        guard let first = scalars.first, let last = scalars.last,
            scalars.contains(where: StringprepTables.rightToLeft.contains)
        else { return }
        guard StringprepTables.rightToLeft.contains(first), StringprepTables.rightToLeft.contains(last),
            !scalars.contains(where: StringprepTables.leftToRight.contains)
        else { throw .bidirectional }
    }
}
