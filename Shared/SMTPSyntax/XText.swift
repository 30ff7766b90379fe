/// The encoding of parameter values that may hold anything (RFC 3461, 4).
enum XText {
    static func decode(_ octets: Slice<UnsafeRawBufferPointer>) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(octets.count)
        var index = octets.startIndex
        while index < octets.endIndex {
            let octet = octets[index]
            if octet == Octet.plus {
                guard octets.endIndex - index >= 3, let high = octets[index + 1].hexadecimalValue,
                    let low = octets[index + 2].hexadecimalValue
                else { return nil }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                // UTF-8 stands for itself where SMTPUTF8 is in force (RFC 6533, 3).
                guard octet > Octet.space, octet != Octet.equals, octet != 0x7F else { return nil }
                decoded.append(octet)
                index += 1
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        encoded.reserveCapacity(text.utf8.count)
        for octet in text.utf8 {
            if octet <= Octet.space || octet == Octet.plus || octet == Octet.equals || octet == 0x7F {
                encoded.append(Octet.plus)
                encoded.append(digits[Int(octet >> 4)])
                encoded.append(digits[Int(octet & 15)])
            } else {
                encoded.append(octet)
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
