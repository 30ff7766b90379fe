/// The text of a `martlet.yaml`, which a test may change before a program reads it.
struct HouseConfiguration: Sendable {
    /// `log.level`.
    var logLevel = "info"
    /// Lines at the top level.
    var lines: [String] = []
    /// The lines of each service's section, without their indentation.
    var sections: [String: [String]] = [:]

    var text: String {
        var text = "log:\n  level: \(logLevel)\nmessaging:\n  directory: run\n  key_directory: keys\n"
        text += lines.map { $0 + "\n" }.joined()
        for (section, lines) in sections.sorted(by: { $0.key < $1.key }) {
            text += "\(section):\n" + lines.map { "  \($0)\n" }.joined()
        }
        return text
    }

    /// The line, from 1, in which this text stands first.
    func line(of part: String) -> Int? {
        text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(part) }.map { $0 + 1 }
    }

    /// Puts something else in the place of a part of a section.
    mutating func replace(_ old: String, with new: String, in section: String) {
        sections[section] = sections[section]?.map { line in
            guard let range = line.firstRange(of: old) else { return line }
            return line.replacingCharacters(in: range, with: new)
        }
    }

    /// What a service whose database this is has in its section.
    mutating func set(database connection: String, for executable: Executable) {
        sections[executable.service, default: []] += ["database:", "  connection: \"\(connection)\""]
    }

    /// Both services that listen, each with the files of a certificate.
    mutating func listen(at ports: [String: ReservedPort], certificate: String, key: String) {
        func listening(_ name: String) -> [String] {
            ports[name].map { ["\(name):", "  listen: [\"127.0.0.1:\($0.number)\"]"] } ?? []
        }
        let identity = ["tls:", "  certificate: \(certificate)", "  key: \(key)"]
        sections[Executable.ingress.service] =
            ["hostname: mx.example.test"] + ["relay", "submission", "submissions", "lmtp"].flatMap(listening) + identity
        sections[Executable.access.service] = ["imap", "imaps"].flatMap(listening) + identity
    }
}
