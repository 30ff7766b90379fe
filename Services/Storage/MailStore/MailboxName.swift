/// Names of mailboxes: UTF-8, "/" between the levels, INBOX in whatever case (RFC 9051, 5.1).
enum MailboxName {
    static let inbox = "INBOX"
    static let octetLimit = 1000
    static let depthLimit = 32

    /// What is wrong with a name for a new mailbox.
    enum Fault: Error {
        case notPermitted
        case beyondLimit
    }

    /// The name as it is kept: INBOX and the first level of what is below it in upper case.
    static func canonical(_ name: String) -> String {
        guard name.utf8.count >= inbox.utf8.count else { return name }
        let first = name.prefix { $0 != "/" }
        guard first.utf8.count == inbox.utf8.count, first.uppercased() == inbox else { return name }
        return inbox + name.dropFirst(first.count)
    }

    /// The canonical form of a name that is to be made. A "/" at its end says that children will follow
    /// (RFC 9051, 6.3.4) and is not part of the name.
    static func new(_ name: String) throws(Fault) -> String {
        let name = canonical(name.utf8.last == UInt8(ascii: "/") ? String(name.dropLast()) : name)
        guard name.utf8.count <= octetLimit else { throw .beyondLimit }
        let levels = name.split(separator: "/", omittingEmptySubsequences: false)
        guard levels.count <= depthLimit else { throw .beyondLimit }
        guard levels.allSatisfy({ !$0.isEmpty }) else { throw .notPermitted }
        // Control characters, and the wildcards of LIST: a name with them could never be listed alone.
        guard !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F || $0 == "*" || $0 == "%" })
        else { throw .notPermitted }
        return name
    }

    /// The names above this one, the highest first.
    static func parents(of name: String) -> [String] {
        var parents: [String] = []
        for index in name.indices where name[index] == "/" {
            parents.append(String(name[..<index]))
        }
        return parents
    }

    /// The range of names below this one in the order of code points: from "name/" on and before "name0".
    static func children(of name: String) -> (from: String, before: String) {
        (name + "/", name + "0")
    }
}
