import Messaging
import NIOCore

/// The topic of the changes in one account's mailboxes; the body is a `MailboxChanged`.
public enum MailboxTopic {
    /// "mailbox/<account id>/".
    public static func account(_ accountID: Int64) -> String { "mailbox/\(accountID)/" }
    /// The account of what concerns all accounts: rights that anyone was given or that were taken from him.
    public static let anyone: Int64 = 0
}

extension EventPublisher {
    /// Publishes a change in an account's mailboxes; a hint, sent after commit.
    public func publish(_ change: MailboxChanged) {
        guard let body = try? ProtobufOctets.encode(change) else { return }
        publish(topic: MailboxTopic.account(change.accountID), body: body)
    }
}

extension EventNotice {
    /// The change that this notice carries; nil for a lapse or an event of another kind.
    public var mailboxChanged: MailboxChanged? {
        guard case .event(let topic, let body) = self, topic.hasPrefix("mailbox/") else { return nil }
        return try? ProtobufOctets.decode(MailboxChanged.self, body)
    }
}
