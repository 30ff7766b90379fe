"""A connection, and what its client was told."""

import socket
import ssl

from .values import Mailbox, Message, Wrong


class Session:
    """A connection, and what its client was told."""

    def __init__(self, number: int, connection: dict, login: dict, resynchronises: bool, uids_only: bool) -> None:
        self.number = number
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection((connection["host"], connection["port"]), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain)
        self.buffer = b""
        self.count = 0
        self.mailbox: Mailbox | None = None
        self.read_only = False
        self.view: list[Message] = []
        self.told: dict[int, frozenset[str]] = {}
        self.highest_uid = 0
        self.resynchronises = resynchronises
        self.uids_only = uids_only
        self.modseq = 0
        # What it knew of a mailbox when it left it: modseq, and flags by uid.
        self.cache: dict[int, tuple[int, dict[int, frozenset[str]]]] = {}
        self.line()
        self.run(f'LOGIN {login["address"]} "{login["password"]}"')
        if resynchronises:
            self.run("ENABLE QRESYNC")
        if uids_only:
            self.run("ENABLE UIDONLY")

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            octets = self.socket.recv(1 << 16)
            if not octets:
                raise Wrong("the server closed the connection", self.buffer)
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def run(self, command: str, literal: bytes | None = None) -> tuple[str, list[str]]:
        """The tagged response, and the lines before it."""
        self.count += 1
        tag = f"t{self.count}"
        octets = f"{tag} {command}".encode()
        if literal is not None:
            octets += f" {{{len(literal)}+}}\r\n".encode() + literal
        self.socket.sendall(octets + b"\r\n")
        lines = []
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                return line[len(tag) + 1:], lines
            lines.append(line)

    def uids(self) -> list[int]:
        return [message.uid for message in self.view]

    def forget(self) -> None:
        if self.mailbox and self.resynchronises and all(uid in self.told for uid in self.uids()):
            self.cache[self.mailbox.validity or 0] = (self.modseq, {uid: self.told[uid] for uid in self.uids()})
        self.mailbox, self.view, self.told, self.highest_uid = None, [], {}, 0
