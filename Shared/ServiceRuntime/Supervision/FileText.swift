import Glibc

/// Small files, read whole: the configuration and what /proc tells.
enum FileText {
    /// Most octets that are read.
    static let limit = 4 << 20

    /// The octets of a file, or what errno says.
    static func octets(_ path: String) -> Result<[UInt8], SystemError> {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failure(SystemError(errno)) }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while all.count < limit {
            let count = part.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                return .failure(SystemError(errno))
            }
            all.append(contentsOf: part[..<count])
        }
        return .success(all)
    }

    /// The text of a file; nil when it cannot be read.
    static func read(_ path: String) -> String? {
        guard case .success(let octets) = octets(path) else { return nil }
        return String(decoding: octets, as: UTF8.self)
    }
}

/// An errno with the system's words for it.
struct SystemError: Error, CustomStringConvertible {
    var code: Int32

    init(_ code: Int32) { self.code = code }

    var description: String { String(cString: strerror(code)) }
}

/// What is in a folder.
enum FolderListing {
    /// The names, without those that begin with a dot; none when the folder cannot be read.
    static func names(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { octets in
                String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}
