/// Times and sizes as people write them in a configuration file.
public enum Quantity {
    /// Reads `250ms`, `30s`, `5m`, `2h`, `5d`; a bare `0` is zero. Nil for anything else.
    public static func duration(_ text: some StringProtocol) -> Duration? {
        guard let (number, unit) = split(text) else { return nil }
        let microseconds: Int64
        switch unit {
        case "us": microseconds = 1
        case "ms": microseconds = 1_000
        case "s": microseconds = 1_000_000
        case "m", "min": microseconds = 60_000_000
        case "h": microseconds = 3_600_000_000
        case "d": microseconds = 86_400_000_000
        case "" where number == 0: microseconds = 1
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: microseconds)
        return overflow ? nil : .microseconds(product)
    }

    /// Reads `512`, `512B`, `64KB`, `50MB`, `2GB`, `1TB` as powers of 1024. Nil for anything else.
    public static func octets(_ text: some StringProtocol) -> Int? {
        guard let (number, unit) = split(text), let number = Int(exactly: number) else { return nil }
        let shift: Int
        switch unit.uppercased() {
        case "", "B": shift = 0
        case "K", "KB", "KIB": shift = 10
        case "M", "MB", "MIB": shift = 20
        case "G", "GB", "GIB": shift = 30
        case "T", "TB", "TIB": shift = 40
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : product
    }

    /// Writes a duration with the largest unit that divides it.
    public static func text(of duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let microseconds = attoseconds / 1_000_000_000_000
        if microseconds != 0 {
            return microseconds % 1_000 == 0
                ? "\(seconds * 1_000 + microseconds / 1_000)ms" : "\(seconds * 1_000_000 + microseconds)us"
        }
        for (unit, length) in [("d", Int64(86_400)), ("h", 3_600), ("m", 60)]
        where seconds != 0 && seconds % length == 0 {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    /// Writes a size with the largest unit that divides it.
    public static func text(ofOctets octets: Int) -> String {
        for (unit, shift) in [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)]
        where octets != 0 && octets & ((1 << shift) - 1) == 0 {
            return "\(octets >> shift)\(unit)"
        }
        return "\(octets)"
    }

    private static func split(_ text: some StringProtocol) -> (number: Int64, unit: String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        return (number, String(unit))
    }
}
