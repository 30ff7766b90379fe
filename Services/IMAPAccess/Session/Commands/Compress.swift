import IMAPSyntax

/// COMPRESS (RFC 4978, 3).
extension Session {
    func compress(_ mechanism: String, _ tag: String) throws -> CommandOutcome {
        guard mechanism == "DEFLATE" else { throw Refusal(.bad, nil, "DEFLATE is the only mechanism") }
        try startCompression(announcing: StatusResponse(.ok, nil, "DEFLATE active"), tag)
        machine.compressionBegan()
        SessionMetrics.count("COMPRESS", .ok)
        return .answered
    }
}
