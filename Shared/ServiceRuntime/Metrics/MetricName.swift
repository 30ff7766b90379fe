/// The name of a time series: the metric's name and its labels, as Prometheus writes them.
struct MetricName: Hashable, Sendable {
    var name: String
    /// `{a="1",b="2"}` without the braces; empty without labels.
    var labels: String

    /// Makes names valid for Prometheus: what is not a letter, digit, underscore or colon becomes an underscore.
    init(label: String, dimensions: [(String, String)]) {
        name = Self.sanitized(label, allowsColon: true)
        labels = dimensions.map { "\(Self.sanitized($0.0, allowsColon: false))=\"\(Self.escaped($0.1))\"" }
            .joined(separator: ",")
    }

    private static func sanitized(_ text: String, allowsColon: Bool) -> String {
        var octets: [UInt8] = []
        for octet in text.utf8 {
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
                octets.append(octet)
            case UInt8(ascii: "0")...UInt8(ascii: "9") where !octets.isEmpty: octets.append(octet)
            case UInt8(ascii: ":") where allowsColon: octets.append(octet)
            default: octets.append(UInt8(ascii: "_"))
            }
        }
        return octets.isEmpty ? "_" : String(decoding: octets, as: UTF8.self)
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
