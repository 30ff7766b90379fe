import Glibc

/// What stood in the place of what was expected, as the end of a sentence.
struct ValueProblem: Error {
    var found: String
}

extension ConfigurationKey.Kind {
    /// Makes a value of this kind from what stands in the file or the environment.
    func parse(_ texts: [String], folder: String) -> Result<ConfigurationValues.Value, ValueProblem> {
        let text = texts.first ?? ""
        let mismatch = Result<ConfigurationValues.Value, ValueProblem>.failure(ValueProblem(found: "found \"\(text)\""))
        switch self {
        case .text: return .success(.text(text))
        case .integer(let range):
            guard let number = Int(text), range.contains(number) else { return mismatch }
            return .success(.integer(number))
        case .boolean:
            switch text.lowercased() {
            case "true", "yes", "on": return .success(.boolean(true))
            case "false", "no", "off": return .success(.boolean(false))
            default: return mismatch
            }
        case .duration(let range):
            guard let duration = Quantity.duration(text), range.contains(duration) else { return mismatch }
            return .success(.duration(duration))
        case .octets(let range):
            guard let octets = Quantity.octets(text), range.contains(octets) else { return mismatch }
            return .success(.integer(octets))
        case .choice(let words):
            return words.contains(text) ? .success(.text(text)) : mismatch
        case .list: return .success(.list(texts))
        case .path: return .success(.path(Self.absolute(text, folder: folder)))
        case .readableFile:
            let path = Self.absolute(text, folder: folder)
            if path.isEmpty { return .success(.path("")) }
            if let problem = Self.whyUnreadable(path) {
                return .failure(ValueProblem(found: "found \"\(path)\": \(problem)"))
            }
            return .success(.path(path))
        case .listen:
            var addresses: [ListenAddress] = []
            for text in texts {
                guard let address = ListenAddress(text) else {
                    return .failure(ValueProblem(found: "found \"\(text)\""))
                }
                addresses.append(address.relative(to: folder))
            }
            return .success(.listen(addresses))
        case .addresses:
            var ranges: [AddressRange] = []
            for text in texts {
                guard let range = AddressRange(text) else {
                    return .failure(ValueProblem(found: "found \"\(text)\""))
                }
                ranges.append(range)
            }
            return .success(.addresses(ranges))
        }
    }

    /// The path itself when it begins with a slash, else the one below the folder. Empty stays empty.
    static func absolute(_ path: String, folder: String) -> String {
        if path.isEmpty || path.hasPrefix("/") { return path }
        var base = folder
        if !base.hasPrefix("/"), let here = getcwd(nil, 0) {
            defer { free(here) }
            base = base == "." ? String(cString: here) : "\(String(cString: here))/\(base)"
        }
        return base.hasSuffix("/") ? base + path : "\(base)/\(path)"
    }

    /// The system's reason why a file cannot be read; nil when it can.
    static func whyUnreadable(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return SystemError(errno).description }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return SystemError(errno).description }
        return status.st_mode & S_IFMT == S_IFREG ? nil : "not a regular file"
    }
}

extension ListenAddress {
    /// The same place, a Unix socket's path being relative to a folder.
    func relative(to folder: String) -> ListenAddress {
        switch self {
        case .unix(let path): .unix(path: ConfigurationKey.Kind.absolute(path, folder: folder))
        case .network, .activated: self
        }
    }
}
