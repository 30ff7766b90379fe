// Addresses in envelopes and in headers: what is accepted prints as something that is accepted again and is the same.

import FuzzDriver
import MailMessage
import SMTPSyntax

@main
enum AddressFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            let text = String(decoding: input, as: UTF8.self)
            if let address = SMTPSyntax.MailAddress(text) {
                guard let again = SMTPSyntax.MailAddress(address.text) else {
                    fatalError("what was printed is no address: \(address.text)")
                }
                check(again == address, "an address changed when it was printed")
            }
            _ = AddressList.parse(input, limit: 1_000)
            _ = EncodedWords.decode(input)
            return 0
        }
    }
}
