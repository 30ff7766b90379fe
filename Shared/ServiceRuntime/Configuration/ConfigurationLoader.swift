import Configuration

/// Brings file, environment and keys together: finds unknown keys, checks every value, fills in the defaults.
struct ConfigurationLoader: Sendable {
    /// What loading gives.
    struct Loaded: Sendable {
        var common: ConfigurationValues
        var section: ConfigurationValues
    }

    /// The service, which is also the name of its section.
    var service: String
    /// The keys of the section.
    var keys: [ConfigurationKey]
    /// The process's environment.
    var environment: [String: String]

    /// Reads the file and checks everything; the first thing that is wrong is thrown.
    func load(path: String) throws(ConfigurationError) -> Loaded {
        try load(ConfigurationFile(path: path))
    }

    /// Checks a file that has been read.
    func load(_ file: ConfigurationFile) throws(ConfigurationError) -> Loaded {
        try refuseUnknownKeys(file)
        try refuseUnknownVariables()
        let variables = EnvironmentVariablesProvider(environmentVariables: environment)
        var common = ConfigurationValues(entries: [:], file: file.path)
        for key in CommonConfiguration.topLevel {
            common.entries[key.name] = try entry(key, [key.name], file, variables)
        }
        for key in CommonConfiguration.shared {
            common.entries[key.name] = try entry(key, ["\(service).\(key.name)", key.name], file, variables)
        }
        for key in CommonConfiguration.sectionOnly {
            common.entries[key.name] = try entry(key, ["\(service).\(key.name)"], file, variables)
        }
        var section = ConfigurationValues(entries: [:], file: file.path)
        for key in keys {
            section.entries[key.name] = try entry(key, ["\(service).\(key.name)"], file, variables)
        }
        return Loaded(common: common, section: section)
    }

    // MARK: One key

    /// The value of a key from the first place that has one: the environment under each name, then the file.
    private func entry(
        _ key: ConfigurationKey, _ names: [String], _ file: ConfigurationFile, _ variables: EnvironmentVariablesProvider
    ) throws(ConfigurationError) -> ConfigurationValues.Entry {
        var texts = key.defaults
        var place = file.path
        var fullName = names[0]
        var isWrongShape = false
        if let (name, found) = firstVariable(key, names, variables) {
            (texts, place, fullName) = (found, "environment \(name)", names[0])
        } else if let name = names.first(where: { file.keys.contains($0) }) {
            (texts, place, fullName) = (file.value(name), file.place(of: name), name)
            isWrongShape = !key.kind.isList && file.isList(name)
        }
        guard let texts else {
            throw ConfigurationError(
                place: place, key: fullName, problem: "must be given: expected \(key.kind.expectation). \(key.meaning)")
        }
        let parsed: Result<ConfigurationValues.Value, ValueProblem>
        if isWrongShape {
            parsed = .failure(ValueProblem(found: "found a list"))
        } else {
            parsed = key.kind.parse(texts, folder: file.folder)
        }
        switch parsed {
        case .success(let value):
            return ConfigurationValues.Entry(
                key: fullName, value: value, place: place, isReloadable: key.isReloadable, isSecret: key.isSecret)
        case .failure(let problem):
            let found = key.isSecret ? "found something else" : problem.found
            throw ConfigurationError(place: place, key: fullName, problem: "expected \(key.kind.expectation), \(found)")
        }
    }

    private func firstVariable(
        _ key: ConfigurationKey, _ names: [String], _ variables: EnvironmentVariablesProvider
    ) -> (name: String, texts: [String])? {
        for name in names {
            let path = AbsoluteConfigKey(["martlet"] + name.split(separator: ".").map(String.init))
            let type: ConfigType = key.kind.isList ? .stringArray : .string
            guard let found = try? variables.value(forKey: path, type: type), let value = found.value else { continue }
            switch value.content {
            case .string(let text): return (found.encodedKey, [text])
            case .stringArray(let items): return (found.encodedKey, items == [""] ? [] : items)
            case .int, .double, .bool, .bytes, .intArray, .doubleArray, .boolArray, .byteChunkArray: continue
            }
        }
        return nil
    }

    // MARK: Unknown keys

    private var namesInSection: [String] {
        (CommonConfiguration.shared + CommonConfiguration.sectionOnly + keys).map { "\(service).\($0.name)" }
    }

    private var namesAtTop: [String] { (CommonConfiguration.shared + CommonConfiguration.topLevel).map(\.name) }

    private func refuseUnknownKeys(_ file: ConfigurationFile) throws(ConfigurationError) {
        let known = Set(namesInSection + namesAtTop)
        let prefixes = Set(known.flatMap(Self.prefixes))
        let given = file.lines.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
        for key in given where !known.contains(key) {
            let section = String(key.prefix { $0 != "." })
            if section != service, CommonConfiguration.services.contains(section) {
                guard !file.keys.contains(section) else {
                    throw ConfigurationError(
                        place: file.place(of: key), key: key, problem: "expected a section of keys, found a value")
                }
                continue
            }
            if prefixes.contains(key) || key == service {
                guard !file.keys.contains(key) else {
                    throw ConfigurationError(
                        place: file.place(of: key), key: key, problem: "expected a section of keys, found a value")
                }
                continue
            }
            let candidates = key.hasPrefix("\(service).") ? namesInSection : namesAtTop + CommonConfiguration.services
            let advice =
                Self.nearest(to: key, in: candidates).map { "expected a known key, perhaps \($0)" }
                ?? "expected a known key; --print-configuration lists them"
            throw ConfigurationError(place: file.place(of: key), key: key, problem: "unknown key: \(advice)")
        }
    }

    private func refuseUnknownVariables() throws(ConfigurationError) {
        func variable(_ name: String) -> String {
            "MARTLET_" + String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        }
        let known = Set((namesInSection + namesAtTop).map(variable))
        let groups = Set([service] + namesAtTop.map { String($0.prefix { $0 != "." }) }).map { variable($0) + "_" }
        let strangers = environment.keys.filter { name in
            !known.contains(name) && groups.contains { name.hasPrefix($0) }
        }
        guard let name = strangers.min() else { return }
        let advice = Self.nearest(to: name, in: Array(known)).map { ", perhaps \($0)" } ?? ""
        throw ConfigurationError(
            place: "environment \(name)", key: nil, problem: "unknown key: expected the name of a known key\(advice)")
    }

    /// `a.b.c` gives `a` and `a.b`.
    private static func prefixes(of key: String) -> [String] {
        let parts = key.split(separator: ".")
        return (1..<max(parts.count, 1)).map { parts[..<$0].joined(separator: ".") }
    }

    /// The candidate that needs the fewest changes of single letters, when these are few.
    static func nearest(to key: String, in candidates: [String]) -> String? {
        let best = candidates.map { (distance(key, $0), $0) }.min { $0 < $1 }
        guard let best, best.0 <= max(2, key.count / 5) else { return nil }
        return best.1
    }

    private static func distance(_ first: String, _ second: String) -> Int {
        let second = Array(second.utf8)
        var row = Array(0...second.count)
        for (index, octet) in first.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in second.indices {
                let above = row[column + 1]
                row[column + 1] = min(above + 1, row[column] + 1, diagonal + (octet == second[column] ? 0 : 1))
                diagonal = above
            }
        }
        return row[second.count]
    }
}
