/// How a login name is looked up. It is the account's address, whose domain never (RFC 5321, 2.4) and whose local part
/// with us not tells upper from lower case.
enum LoginName {
    static func canonical(_ name: String) -> String {
        name.lowercased()
    }
}
