import Contracts
import IMAPSyntax

/// What can be said of access control where mailboxes belong to one account each and nobody shares them (RFC 4314): the
/// owner has all rights, which cannot be taken from him, and nobody else can be given any. That is not what a client
/// hopes for that finds ACL among the capabilities, so it is not there.
extension Session {
    func accessControl(of name: MailboxName) async throws -> CommandOutcome {
        try await checkExistence(of: name)
        printer.acl(of: name, [ACLEntry(try owner(), .all)])
        return .ok("GETACL completed")
    }

    func listRights(_ subject: ACLSubject) async throws -> CommandOutcome {
        try await checkExistence(of: subject.mailbox)
        // Addresses are login names whose case does not matter.
        let isOwner = subject.identifier.lowercased() == (try owner()).lowercased()
        printer.listRights(
            ListRightsResponse(
                mailbox: subject.mailbox, identifier: subject.identifier, required: isOwner ? .all : .empty))
        return .ok("LISTRIGHTS completed")
    }

    func myRights(_ name: MailboxName) async throws -> CommandOutcome {
        try await checkExistence(of: name)
        printer.myRights(on: name, .all)
        return .ok("MYRIGHTS completed")
    }

    /// SETACL and DELETEACL.
    func changeAccessControl(of name: MailboxName) async throws -> CommandOutcome {
        try await checkExistence(of: name)
        throw Refusal(.no, .noPermission, "Mailboxes are not shared: rights stay as they are")
    }

    private func owner() throws -> String {
        guard let identity = machine.identity else { throw Refusal.serverBug }
        return identity.address
    }

    /// Rights are also those of a name that only holds children.
    private func checkExistence(of name: MailboxName) async throws {
        let names = try await mailboxes().mailboxes.map { MailboxName($0.name) }
        guard names.contains(name) else { throw Refusal.noSuchMailbox }
    }
}
