/// Modified UTF-7, which IMAP4rev1 writes mailbox names in (RFC 3501, 5.1.3).
public enum ModifiedUTF7 {
    private static let alphabet = Base64Alphabet(last: ",")

    /// The octets of a name in modified UTF-7.
    public static func encode(_ name: String) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(name.utf8.count)
        var shifted: [UInt16] = []
        func flush() {
            guard !shifted.isEmpty else { return }
            output.append(UInt8(ascii: "&"))
            var bits: UInt32 = 0
            var count: UInt32 = 0
            for unit in shifted {
                bits = bits << 16 | UInt32(unit)
                count += 16
                while count >= 6 {
                    count -= 6
                    output.append(alphabet.character(bits >> count))
                }
                bits &= (1 << count) - 1
            }
            if count > 0 { output.append(alphabet.character(bits << (6 - count))) }
            output.append(UInt8(ascii: "-"))
            shifted.removeAll(keepingCapacity: true)
        }
        for scalar in name.unicodeScalars {
            if scalar.value == 0x26 {
                flush()
                output.append(contentsOf: "&-".utf8)
            } else if (0x20...0x7E).contains(scalar.value) {
                flush()
                output.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                shifted.append(contentsOf: UTF16.encode(scalar).map { Array($0) } ?? [])
            }
        }
        flush()
        return output
    }

    /// The name that octets of modified UTF-7 stand for; nil when they are not: 8-bit or control octets, an `&` that
    /// begins no shift, base64 that is cut off or whose padding bits are set, lone surrogates, and printable ASCII
    /// written in base64, which RFC 3501, 5.1.3 forbids so that every name has one spelling.
    public static func decode(_ octets: some Sequence<UInt8>) -> String? {
        var scalars = String.UnicodeScalarView()
        var units: [UInt16] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        var state = State.direct
        for octet in octets {
            switch state {
            case .direct, .closed:
                guard (0x20...0x7E).contains(octet) else { return nil }
                if octet == UInt8(ascii: "&") {
                    // Two shifts in a row are one name in two spellings, so they are not allowed.
                    state = .opened(afterShift: state == .closed)
                } else {
                    scalars.append(Unicode.Scalar(octet))
                    state = .direct
                }
            case .opened(let afterShift) where octet == UInt8(ascii: "-"):
                _ = afterShift
                scalars.append("&")
                state = .direct
            case .opened(afterShift: true):
                return nil
            case .opened, .shifted:
                if octet == UInt8(ascii: "-") {
                    guard count < 6, bits == 0, append(units, to: &scalars) else { return nil }
                    units.removeAll(keepingCapacity: true)
                    bits = 0
                    count = 0
                    state = .closed
                    continue
                }
                guard let value = alphabet.value(of: octet) else { return nil }
                state = .shifted
                bits = bits << 6 | value
                count += 6
                if count >= 16 {
                    count -= 16
                    units.append(UInt16(truncatingIfNeeded: bits >> count))
                    bits &= (1 << count) - 1
                }
            }
        }
        switch state {
        case .direct, .closed: return String(scalars)
        case .opened, .shifted: return nil
        }
    }

    private enum State: Equatable {
        case direct
        case opened(afterShift: Bool)
        case shifted
        case closed
    }

    /// Appends what UTF-16 code units stand for; false when they are not well formed or did not need a shift.
    private static func append(_ units: [UInt16], to scalars: inout String.UnicodeScalarView) -> Bool {
        guard !units.isEmpty else { return false }
        var decoder = UTF16()
        var iterator = units.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar):
                guard !(0x20...0x7E).contains(scalar.value), scalar.value != 0 else { return false }
                scalars.append(scalar)
            case .emptyInput: return true
            case .error: return false
            }
        }
    }
}
