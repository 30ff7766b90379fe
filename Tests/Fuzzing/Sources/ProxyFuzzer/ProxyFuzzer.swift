// The PROXY header in front of a connection: how it comes, whole or octet by octet, changes nothing, what is not taken
// is left, and nothing traps.

import FuzzDriver
import NIOCore
import ProxyProtocol

@main
enum ProxyFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            var whole = ByteBuffer(bytes: input)
            let outcome = ProxyHeader.next(&whole)
            var pieces = ByteBuffer()
            var last = ProxyHeader.next(&pieces)
            var fed = 0
            while case .needMore = last, fed < input.count {
                pieces.writeInteger(input[fed])
                fed += 1
                last = ProxyHeader.next(&pieces)
            }
            check(last == outcome, "a header depends on how it came")
            switch outcome {
            case .header(let header):
                check(pieces.readableBytes == 0, "octets behind the header were waited for")
                check(whole.readableBytes == input.count - fed, "what was taken depends on how it came")
                check(fed <= ProxyHeader.octetLimit)
                if case .client(let source, let destination) = header {
                    check(source.protocol == destination.protocol && source.ipAddress != nil)
                }
            case .needMore: check(whole.readableBytes == input.count && input.count < ProxyHeader.octetLimit)
            case .malformed: check(whole.readableBytes == input.count)
            }
            return 0
        }
    }
}
