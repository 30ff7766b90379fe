"""A client's connection: it can end in order, by reset, or without having heard what was said."""

import dataclasses
import os
import select
import socket
import ssl
import struct
import time


class Lost(Exception):
    """The connection is of no use any more; the text says why."""


def client_tls() -> ssl.SSLContext:
    """TLS to a server on loopback whose certificate nobody has to trust."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reset(raw: socket.socket) -> None:
    """Closes by RST."""
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    raw.close()


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A connection's other end is a proxy, which has an address of its own and says first who its client is."""

    address: str
    header: bytes


class Connection:
    """Lines and octets over TCP to loopback, with or without TLS. Whatever fails is `Lost`."""

    def __init__(self, port: int, timeout: float = 30, tls: ssl.SSLContext | None = None,
                 proxy: Proxy | None = None) -> None:
        self.opened_at = time.monotonic()
        self.timeout = timeout
        self._buffer = b""
        self.is_closed = False
        try:
            self.raw: socket.socket | ssl.SSLSocket = socket.create_connection(
                ("127.0.0.1", port), timeout=timeout, source_address=(proxy.address, 0) if proxy else None)
        except OSError as error:
            raise Lost(f"no connection: {error}") from error
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local_port = self.raw.getsockname()[1]
        if proxy:
            self.send(proxy.header)
        if tls:
            self.start_tls(tls)

    def start_tls(self, tls: ssl.SSLContext) -> None:
        try:
            # A close without close_notify shows as an error, not as an end.
            self.raw = tls.wrap_socket(self.raw, suppress_ragged_eofs=False)
        except (OSError, ValueError) as error:
            self.reset()
            raise Lost(f"no TLS: {error}") from error

    @property
    def is_tls(self) -> bool:
        return isinstance(self.raw, ssl.SSLSocket)

    def send(self, octets: bytes) -> None:
        try:
            self.raw.sendall(octets)
        except (OSError, ValueError) as error:
            raise Lost(f"while sending: {error}") from error

    def line(self) -> bytes:
        """The next line without its CRLF."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > 1 << 20:
                raise Lost("a line without an end")
            self._receive()
        line, self._buffer = self._buffer[:end], self._buffer[end + 1:]
        return line.rstrip(b"\r")

    def exactly(self, count: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < count:
            self._buffer = b""
            self._receive()
            parts.append(self._buffer)
            have += len(self._buffer)
        octets = b"".join(parts)
        self._buffer = octets[count:]
        return octets[:count]

    def _receive(self) -> None:
        try:
            octets = self.raw.recv(1 << 18)
        except TimeoutError as error:
            raise Lost(f"silence for {self.timeout:.0f} s") from error
        except (OSError, ValueError) as error:
            raise Lost(f"while reading: {error}") from error
        if not octets:
            raise Lost("closed by the server")
        self._buffer += octets

    def is_answered(self, seconds: float) -> bool:
        """Waits until octets lie in the kernel's buffer, which nobody has read; reads none."""
        if self._buffer:
            return True
        return bool(select.select([self.raw], [], [], seconds)[0])

    def drain_unheard(self) -> None:
        """Takes what came out of the kernel's buffer without looking at it, so that a close is a FIN and no reset."""
        with socket.socket(fileno=os.dup(self.raw.fileno())) as beneath:
            beneath.setblocking(False)
            try:
                while beneath.recv(1 << 16):
                    pass
            except OSError:
                pass

    def reset(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            reset(self.raw)

    def close(self) -> None:
        """As a program ends that does not care: FIN, or RST when something lies unread; no close_notify."""
        if not self.is_closed:
            self.is_closed = True
            self.raw.close()

    def end_in_order(self) -> bool:
        """After the server's last line was read: close_notify, FIN, and the server's own end. False when it failed."""
        if self.is_closed:
            return False
        try:
            if isinstance(self.raw, ssl.SSLSocket):
                self.raw = self.raw.unwrap()
            self.raw.shutdown(socket.SHUT_WR)
            is_ended = not self._buffer and self.raw.recv(1) == b""
        except (OSError, ValueError):
            is_ended = False
        if not is_ended:
            self.reset()
            return False
        self.close()
        return True
