import COpenSSL

/// OpenSSL's queue of errors belongs to the thread: it is emptied before a call whose failure will be explained and
/// read to its end after the failure, so that no connection is blamed for another's error.
enum OpenSSLErrors {
    static func clear() {
        ERR_clear_error()
    }

    /// Takes everything that is in the queue, oldest first.
    static func drain() -> String {
        var reasons: [String] = []
        while true {
            let code = ERR_get_error()
            if code == 0 { break }
            if let reason = ERR_reason_error_string(code) {
                let text = String(cString: reason)
                if !reasons.contains(text) { reasons.append(text) }
            } else {
                reasons.append("error \(code)")
            }
        }
        return reasons.joined(separator: ", ")
    }
}
