import Configuration
import Yams

/// The one YAML file as it was read: the values through swift-configuration, and beside each key the line it stands in.
struct ConfigurationFile: Sendable {
    /// The path as the operator wrote it, for messages.
    var path: String
    /// Line of each key, mappings included, by dotted name.
    var lines: [String: Int]
    /// Dotted names of the keys that have a value, in the order of the file.
    var keys: [String]
    private var values: YAMLSnapshot?

    /// The folder that relative paths in the file are relative to.
    var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Reads and parses the file.
    init(path: String) throws(ConfigurationError) {
        switch FileText.octets(path) {
        case .failure(let error):
            throw ConfigurationError(
                place: path, key: nil,
                problem: "expected a readable YAML file: \(error); give another with --config FILE")
        case .success(let octets):
            try self.init(path: path, octets: octets)
        }
    }

    /// Parses the content of a file.
    init(path: String, octets: [UInt8]) throws(ConfigurationError) {
        self.path = path
        lines = [:]
        keys = []
        guard let text = String(validating: octets, as: UTF8.self) else {
            throw ConfigurationError(place: path, key: nil, problem: "expected YAML in UTF-8")
        }
        do {
            guard let root = try Parser(yaml: text).singleRoot(), !Self.isNull(root) else { return }
            guard let mapping = root.mapping else {
                throw ConfigurationError(place: path, key: nil, problem: "expected a mapping of keys to values")
            }
            try collect(mapping, prefix: "")
            values = try YAMLSnapshot(data: octets.span.bytes, providerName: path, parsingOptions: .default)
        } catch let error as ConfigurationError {
            throw error
        } catch let error as YamlError {
            throw Self.explained(error, path: path)
        } catch {
            throw ConfigurationError(place: path, key: nil, problem: "expected YAML: \(error)")
        }
    }

    /// What stands at a key: one text, several, or nothing.
    func value(_ key: String) -> [String]? {
        guard let values, keys.contains(key) else { return nil }
        let name = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        if case .string(let text) = try? values.value(forKey: name, type: .string).value?.content { return [text] }
        if case .stringArray(let items) = try? values.value(forKey: name, type: .stringArray).value?.content {
            return items
        }
        return nil
    }

    /// Whether a list stands at the key.
    func isList(_ key: String) -> Bool {
        guard let values else { return false }
        let name = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        guard let found = try? values.value(forKey: name, type: .stringArray).value else { return false }
        return found.content != .string("")
    }

    /// `file:line` of a key.
    func place(of key: String) -> String { lines[key].map { "\(path):\($0)" } ?? path }

    private mutating func collect(_ mapping: Node.Mapping, prefix: String) throws(ConfigurationError) {
        for (keyNode, value) in mapping {
            let line = keyNode.mark?.line
            let place = line.map { "\(path):\($0)" } ?? path
            guard let name = keyNode.scalar?.string, !name.isEmpty else {
                throw ConfigurationError(
                    place: place, key: prefix.isEmpty ? nil : prefix, problem: "expected a name as key")
            }
            let key = prefix.isEmpty ? name : "\(prefix).\(name)"
            lines[key] = line
            switch value {
            case .mapping(let inner): try collect(inner, prefix: key)
            case .sequence(let items):
                guard items.allSatisfy({ $0.scalar != nil }) else {
                    throw ConfigurationError(place: place, key: key, problem: "expected a list of plain values")
                }
                keys.append(key)
            case .scalar: if !Self.isNull(value) { keys.append(key) }
            case .alias:
                throw ConfigurationError(place: place, key: key, problem: "expected a value; YAML aliases are not read")
            }
        }
    }

    /// A key without a value counts as not given.
    private static func isNull(_ node: Node) -> Bool {
        node.scalar.map { $0.style == .plain && ["", "~", "null"].contains($0.string) } ?? false
    }

    private static func explained(_ error: YamlError, path: String) -> ConfigurationError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            ConfigurationError(place: "\(path):\(mark.line)", key: nil, problem: "expected YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            ConfigurationError(
                place: "\(path):\(context.mark.line)", key: duplicates.map { "\($0)" }.joined(separator: ", "),
                problem: "expected each key once in a mapping")
        case .no, .memory, .reader, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            ConfigurationError(place: path, key: nil, problem: "expected YAML: \(error)")
        }
    }
}
