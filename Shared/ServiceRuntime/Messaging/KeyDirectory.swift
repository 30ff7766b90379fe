import Glibc
import Messaging

/// The folder of the CURVE keys: `<name>.key` holds a secret key, `<name>.pub` its public half, both in Z85 (ZeroMQ RFC
/// 32). A service needs its own secret key and the public keys of those that it talks to, no more.
public struct KeyDirectory: Sendable {
    /// Where the files are.
    public let path: String

    /// A folder that is there already, or that ``generate(_:)`` makes.
    public init(path: String) { self.path = path }

    /// What was made and what was there.
    public struct Generated: Sendable, Equatable {
        /// Names whose keys are new.
        public var made: [String] = []
        /// Names that had keys, which were kept.
        public var kept: [String] = []
    }

    /// The key pair of a service; refuses with the file and what to do when it cannot be read, or others may read it.
    public func pair(of name: String) throws(StartRefusal) -> CurveKeyPair {
        let file = "\(path)/\(name).key"
        let text = try content(file)
        var status = stat()
        if stat(file, &status) == 0, status.st_mode & 0o077 != 0 {
            throw StartRefusal("\(file): a secret key that others may read: chmod 600 \(file)")
        }
        do {
            return try CurveKeyPair(secretKey: text)
        } catch {
            throw StartRefusal("\(file): expected a CURVE secret key of 40 characters (Z85)")
        }
    }

    /// The public key of a service.
    public func publicKey(of name: String) throws(StartRefusal) -> CurvePublicKey {
        let file = "\(path)/\(name).pub"
        guard let key = CurvePublicKey(try content(file)) else {
            throw StartRefusal("\(file): expected a CURVE public key of 40 characters (Z85)")
        }
        return key
    }

    /// Who each public key in the folder belongs to, for the services named.
    public func peers(of names: [String]) throws(StartRefusal) -> [CurvePublicKey: PeerIdentity] {
        var peers: [CurvePublicKey: PeerIdentity] = [:]
        for name in names where access("\(path)/\(name).pub", F_OK) == 0 {
            peers[try publicKey(of: name)] = PeerIdentity(service: name)
        }
        return peers
    }

    /// Makes the keys that are missing: secret ones with mode 0600 in a folder with mode 0755. Keys that are there are
    /// kept; a public key that is missing beside its secret one is written again.
    public func generate(_ names: [String]) throws -> Generated {
        if mkdir(path, 0o755) != 0, errno != EEXIST {
            throw StartRefusal("\(path): cannot make the folder: \(SystemError(errno))")
        }
        var generated = Generated()
        for name in names {
            let pair: CurveKeyPair
            if access("\(path)/\(name).key", F_OK) == 0 {
                pair = try self.pair(of: name)
                generated.kept.append(name)
            } else {
                pair = try CurveKeyPair.generate()
                try write(pair.secretKey, to: "\(path)/\(name).key", mode: 0o600)
                generated.made.append(name)
            }
            if (try? publicKey(of: name)) != pair.publicKey {
                try write(pair.publicKey.description, to: "\(path)/\(name).pub", mode: 0o644)
            }
        }
        return generated
    }

    private func content(_ file: String) throws(StartRefusal) -> String {
        switch FileText.octets(file) {
        case .success(let octets): return String(decoding: octets, as: UTF8.self)
        case .failure(let error):
            throw StartRefusal("\(file): \(error): make the keys with `martlet keys generate \(path)`")
        }
    }

    /// Writes beside the file and renames, so that nobody ever reads half a key.
    private func write(_ text: String, to file: String, mode: mode_t) throws {
        let draft = "\(file).\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw StartRefusal("\(draft): cannot be written: \(SystemError(errno))") }
        let octets = Array("\(text)\n".utf8)
        let isWritten = Glibc.write(descriptor, octets, octets.count) == octets.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(draft, file) == 0 else {
            let error = SystemError(errno)
            unlink(draft)
            throw StartRefusal("\(file): cannot be written: \(error)")
        }
    }
}
