/// The configuration reference, written from the tables of keys, so that it cannot differ from what is read.
public struct ConfigurationReference: Sendable {
    /// How it is written.
    public enum Format: String, Sendable, CaseIterable {
        /// Tables for people.
        case markdown
        /// A file with every key at its default, its meaning above it.
        case yaml
    }

    /// The service, which is also the name of its section.
    public var service: String
    /// The keys of the section.
    public var keys: [ConfigurationKey]

    /// A reference of one service.
    public init(service: String, keys: [ConfigurationKey]) {
        self.service = service
        self.keys = keys
    }

    /// Keys of the top level.
    private var topLevel: [ConfigurationKey] { CommonConfiguration.shared + CommonConfiguration.topLevel }
    /// Keys of the service's section.
    private var section: [ConfigurationKey] { CommonConfiguration.sectionOnly + keys }

    /// The text.
    public func text(_ format: Format) -> String {
        switch format {
        case .markdown: markdown
        case .yaml: yaml
        }
    }

    private var markdown: String {
        var text = "# Configuration of martlet-\(service)\n\n"
        text +=
            "## Every service\n\nAt the top level of the file. The first \(CommonConfiguration.shared.count) may also "
        text += "stand in a service's section, for that service alone.\n\n"
        text += table(topLevel, prefix: "")
        text += "\n## Section `\(service)`\n\n"
        text += table(section, prefix: "\(service).")
        text += "\nAn environment variable goes before the file: `\(Self.variable("\(service).log.level"))` is "
        text += "`\(service).log.level`. Items of a list are separated by commas there.\n"
        return text
    }

    private func table(_ keys: [ConfigurationKey], prefix: String) -> String {
        var text = "| key | expected | default | meaning |\n| --- | --- | --- | --- |\n"
        for key in keys {
            let shown = Self.shown(key).map { "`\($0)`" } ?? "must be given"
            let reload = key.isReloadable ? " Reloads on SIGHUP." : ""
            text += "| `\(prefix)\(key.name)` | \(key.kind.expectation) | \(shown) | \(key.meaning)\(reload) |\n"
        }
        return text
    }

    private var yaml: String {
        Self.nested(topLevel, indent: 0) + "\n\(service):\n" + Self.nested(section, indent: 1)
    }

    /// Keys with a common first component stand below it, in the order in which they are declared.
    private static func nested(_ keys: [ConfigurationKey], indent: Int) -> String {
        let margin = String(repeating: "  ", count: indent)
        var text = ""
        var done: Set<String> = []
        for key in keys {
            guard let dot = key.name.firstIndex(of: ".") else {
                for line in wrapped(key.meaning, width: 100 - margin.count) { text += "\(margin)# \(line)\n" }
                text +=
                    "\(margin)# Expected: \(key.kind.expectation).\(key.isReloadable ? " Reloads on SIGHUP." : "")\n"
                text +=
                    shown(key).map { "\(margin)\(key.name): \($0)\n" }
                    ?? "\(margin)# must be given\n\(margin)# \(key.name):\n"
                continue
            }
            let group = String(key.name[..<dot])
            guard done.insert(group).inserted else { continue }
            let inner = keys.filter { $0.name.hasPrefix(group + ".") }.map { key in
                var key = key
                key.name = String(key.name.dropFirst(group.count + 1))
                return key
            }
            text += "\(margin)\(group):\n" + nested(inner, indent: indent + 1)
        }
        return text
    }

    private static func shown(_ key: ConfigurationKey) -> String? {
        guard let defaults = key.defaults else { return nil }
        if key.kind.isList { return "[" + defaults.map(quoted).joined(separator: ", ") + "]" }
        return quoted(defaults.first ?? "")
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && text.allSatisfy { $0.isLetter || $0.isNumber || "._-/".contains($0) }
        return isPlain ? text : "\"\(text)\""
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    private static func variable(_ name: String) -> String {
        "MARTLET_" + String(name.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }
}
