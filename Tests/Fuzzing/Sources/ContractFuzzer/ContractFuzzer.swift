// What a peer may send over messaging: the frame's header, then a request of any contract.

import Contracts
import FuzzDriver
import SwiftProtobuf

@testable import Messaging

private let messages: [any Message.Type] = [
    HealthReply.self, ResolveRequest.self, ResolveReply.self, AddAccountRequest.self, ListAccountsReply.self,
    AddAliasRequest.self, SaslStartRequest.self, SaslRespondRequest.self, SaslStepReply.self, SetPasswordRequest.self,
    AcceptRequest.self, AcceptReply.self, AppendRequest.self, CommitRequest.self, CommitReply.self,
    ListMailboxesReply.self, ViewRequest.self, ViewItem.self, FetchRequest.self, FetchPage.self,
    StoreFlagsRequest.self, StoreFlagsReply.self, CopyReply.self, ExpungeReply.self, MailboxChanged.self,
]

@main
enum ContractFuzzer {
    static func main() {
        fuzz { start, count in
            let input = octets(start, count)
            if let (frame, length) = input.withUnsafeBytes({ try? Frame.decode($0) }) {
                check(length <= input.count)
                var printed = [UInt8](repeating: 0, count: frame.encodedOctets)
                printed.withUnsafeMutableBytes { frame.encode(into: $0) }
                guard let again = printed.withUnsafeBytes({ try? Frame.decode($0) }), again.frame == frame else {
                    fatalError("a frame changed in its codec")
                }
            }
            guard let first = input.first else { return 0 }
            let type = messages[Int(first) % messages.count]
            guard let message = try? type.init(serializedBytes: input.dropFirst()) else { return 0 }
            guard let octets = try? message.serializedBytes() as [UInt8] else {
                fatalError("what was read cannot be written")
            }
            // Maps and floats aside, which the contracts do not use, the same message prints the same octets.
            check((try? type.init(serializedBytes: octets)) != nil)
            return 0
        }
    }
}
