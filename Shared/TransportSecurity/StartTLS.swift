import NIOCore

/// STARTTLS (RFC 3207; RFC 9051, 6.2.1): TLS that begins on a connection in use.
///
/// What a client, or somebody between, sends behind STARTTLS but before the handshake must never be taken for something
/// that came encrypted (RFC 3207, 4.2 and 6). So there is no other way to put a `TLSHandler` into a channel in use than
/// these functions, they demand the buffer of octets that were read but not yet acted upon, and they empty it.
/// Octets that still come in the clear afterwards reach OpenSSL and end the handshake.
extension TLSHandler {
    /// Begins TLS as the server. Call it on the event loop, from the handler that speaks the protocol.
    ///
    /// - Parameters:
    ///   - tls: certificates and rules.
    ///   - context: the caller's own context; TLS is put right below it.
    ///   - reply: is sent in the clear before the handshake: the reply that allows the client to begin.
    ///   - input: all octets that the caller has read and not acted upon. They are dropped.
    /// - Returns: how many octets were dropped. More than none means that the peer is broken or that somebody tries to
    ///   inject commands.
    @discardableResult
    public static func startTLS(
        server tls: TLSContext, below context: ChannelHandlerContext, announcing reply: ByteBuffer?,
        discarding input: inout ByteBuffer
    ) throws -> Int {
        try start(.server(tls), below: context, announcing: reply, discarding: &input)
    }

    /// Begins TLS as the client, after the server's reply allowed it.
    ///
    /// - Parameters:
    ///   - tls: trust and rules.
    ///   - serverName: a host name, sent as SNI and compared with the certificate, or an address, only compared.
    ///   - context: the caller's own context; TLS is put right below it.
    ///   - input: all octets that the caller has read behind the server's reply. They are dropped.
    /// - Returns: how many octets were dropped.
    @discardableResult
    public static func startTLS(
        client tls: TLSContext, serverName: String?, below context: ChannelHandlerContext,
        discarding input: inout ByteBuffer
    ) throws -> Int {
        try start(.client(tls, serverName: serverName), below: context, announcing: nil, discarding: &input)
    }

    private static func start(
        _ role: Role, below context: ChannelHandlerContext, announcing reply: ByteBuffer?,
        discarding input: inout ByteBuffer
    ) throws -> Int {
        let dropped = input.readableBytes
        input = ByteBuffer()
        if let reply { context.writeAndFlush(NIOAny(reply), promise: nil) }
        try context.pipeline.syncOperations.addHandler(
            TLSHandler(role, mayStartInMidStream: true), position: .before(context.handler))
        return dropped
    }
}
