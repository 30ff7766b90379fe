import COpenSSL
import Synchronization

/// The newest session with each server, so that a client can resume it (RFC 8446, 2.2). Bounded: when it is full, the
/// session that was stored longest ago gives way.
final class SessionCache: Sendable {
    /// A session; owns its pointer. OpenSSL counts references to it atomically and never changes it once it was handed
    /// out, so threads may share it.
    final class Session: @unchecked Sendable {
        let pointer: OpaquePointer

        init(owned: OpaquePointer) {
            pointer = owned
        }

        deinit {
            SSL_SESSION_free(pointer)
        }
    }

    private struct Entries {
        var sessions: [String: (session: Session, age: UInt64)] = [:]
        var stored: UInt64 = 0
    }

    private let entries = Mutex(Entries())
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    func store(_ session: Session, for server: String) {
        guard limit > 0 else { return }
        entries.withLock { entries in
            entries.stored &+= 1
            entries.sessions[server] = (session, entries.stored)
            if entries.sessions.count > limit, let oldest = entries.sessions.min(by: { $0.value.age < $1.value.age }) {
                entries.sessions[oldest.key] = nil
            }
        }
    }

    /// A session with the server. One of TLS 1.3 is used once only, lest who watches links the connections
    /// (RFC 8446, C.4).
    func take(for server: String) -> Session? {
        entries.withLock { entries in
            guard let session = entries.sessions[server]?.session else { return nil }
            if SSL_SESSION_get_protocol_version(session.pointer) != TLS1_2_VERSION { entries.sessions[server] = nil }
            return session
        }
    }
}
