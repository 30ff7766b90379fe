"""An IMAP client that costs little: it sends lines and reads up to the tagged response, and looks at nothing else."""

import base64
import contextlib
import functools
import hashlib
import hmac
import os
import socket
import ssl


@functools.cache
def trusting() -> ssl.SSLContext:
    """One for all connections: it takes more memory than they do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@functools.cache
def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Kept, as clients keep it: what its derivation costs is not the server's."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


class Wire:
    """A session that is logged in, by LOGIN or by SCRAM-SHA-256, unless there is no user. Octets are counted as IMAP has
    them, without TLS."""

    def __init__(self, port: int, user: str, password: str, source: str = "", scram: bool = False) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 600, (source, 0) if source else None)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = trusting().wrap_socket(plain)
        self.sent = self.received = 0
        self.number = 0
        self.rest = b""
        self.read_until(b"\r\n")
        if user and scram:
            self.authenticate(user, password)
        elif user:
            self.run(f'LOGIN {user} "{password}"')

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.send(f"{self.tag()} LOGOUT\r\n".encode())
            while self.socket.recv(1 << 16):
                pass
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.sent += len(octets)
        self.socket.sendall(octets)

    def tag(self) -> str:
        self.number += 1
        return f"zq{self.number}x"

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and with `end`; what follows is kept."""
        pieces, tail = [], b""
        chunk = self.rest
        while True:
            window = tail + chunk
            at = window.find(end)
            if at >= 0:
                at += len(end)
                pieces.append(window[len(tail):at] if at > len(tail) else b"")
                self.rest = window[at:]
                return b"".join(pieces)
            if chunk:
                pieces.append(chunk)
            tail = window[-len(end) + 1:]
            chunk = self.socket.recv(1 << 18)
            if not chunk:
                raise ConnectionError(f"the server closed: {(tail or b'').decode(errors='replace')}")
            self.received += len(chunk)

    def finish(self, tag: str) -> bytes:
        """The answer up to the tagged response, which must be OK."""
        answer = self.read_until(f"{tag} ".encode())
        status = self.read_until(b"\r\n")
        if not status.startswith(b"OK"):
            raise RuntimeError(f"{tag}: {status.decode(errors='replace')}")
        return answer

    def run(self, command: str) -> bytes:
        tag = self.tag()
        self.send(f"{tag} {command}\r\n".encode())
        return self.finish(tag)

    def authenticate(self, user: str, password: str) -> None:
        """SCRAM-SHA-256 (RFC 7677). That the server knows the password, too, is not looked at."""
        first = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        tag = self.tag()
        self.send(f"{tag} AUTHENTICATE SCRAM-SHA-256\r\n".encode())
        self.challenge()
        self.send(base64.b64encode(f"n,,{first}".encode()) + b"\r\n")
        challenge = self.challenge().decode()
        nonce, salt, iterations = (part[2:] for part in challenge.split(","))
        final = f"c=biws,r={nonce}"
        salted = salted_password(password, base64.b64decode(salt), int(iterations))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(
            hashlib.sha256(key).digest(), f"{first},{challenge},{final}".encode(), "sha256")
        proof = base64.b64encode(bytes(one ^ other for one, other in zip(key, signature))).decode()
        self.send(base64.b64encode(f"{final},p={proof}".encode()) + b"\r\n")
        self.challenge()
        self.send(b"\r\n")
        self.finish(tag)

    def challenge(self) -> bytes:
        self.read_until(b"+ ")
        return base64.b64decode(self.read_until(b"\r\n"))

    def append(self, mailbox: str, messages: list[bytes], pipelined: bool) -> None:
        tags = []
        for message in messages:
            tag = self.tag()
            self.send(f"{tag} APPEND {mailbox} {{{len(message)}+}}\r\n".encode() + message + b"\r\n")
            if pipelined:
                tags.append(tag)
            else:
                self.finish(tag)
        for tag in tags:
            self.finish(tag)
