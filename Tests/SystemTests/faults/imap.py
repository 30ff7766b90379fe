"""IMAP as far as appending and comparing need it."""

import re
import ssl
from collections.abc import Iterator

from .wire import Connection, Lost


class IMAPSession(Connection):
    """A session of an authenticated user."""

    def __init__(self, port: int, login: dict, *, timeout: float = 30, tls: ssl.SSLContext | None = None,
                 starts_tls: bool = False) -> None:
        super().__init__(port, timeout, None if starts_tls else tls)
        self._tag = 0
        try:
            if not (greeting := self.line()).startswith(b"* OK"):
                raise Lost(greeting.decode(errors="replace"))
            if starts_tls and tls:
                self.ok("STARTTLS")
                self.start_tls(tls)
            self.ok(f'LOGIN "{login["address"]}" "{login["password"]}"')
        except Lost:
            self.reset()
            raise

    def next_tag(self) -> str:
        self._tag += 1
        return f"T{self._tag}"

    def send_command(self, text: str) -> str:
        tag = self.next_tag()
        self.send(f"{tag} {text}\r\n".encode())
        return tag

    def completion(self, tag: str, untagged: list[bytes] | None = None) -> tuple[str, str]:
        """OK, NO or BAD with its text; BYE is the end of the connection."""
        while True:
            line = self.line()
            if line.startswith(b"* BYE") and untagged is None:
                raise Lost(line.decode(errors="replace"))
            if line.startswith(tag.encode() + b" "):
                _, status, text = (line.decode(errors="replace") + " ").split(" ", 2)
                return status, text.strip()
            if untagged is not None:
                untagged.append(line)

    def command(self, text: str) -> tuple[str, str]:
        return self.completion(self.send_command(text))

    def ok(self, text: str) -> None:
        status, answer = self.command(text)
        if status != "OK":
            raise Lost(f"{text.split()[0]}: {status} {answer}")

    # ---- APPEND

    @staticmethod
    def append_line(mailbox: str, flags: str, date: str, octets: bytes, is_pipelined: bool) -> str:
        """The line of an APPEND up to its literal (RFC 9051, 6.3.12); LITERAL+ waits for no continuation."""
        return f'APPEND "{mailbox}" ({flags}) "{date}" {{{len(octets)}{"+" if is_pipelined else ""}}}'

    def begin_append(self, line: str) -> tuple[str, tuple[str, str] | None]:
        """Waits for the continuation; a completion instead of it is a refusal."""
        tag = self.send_command(line)
        return tag, self._continuation(tag)

    def _continuation(self, tag: str) -> tuple[str, str] | None:
        while True:
            answer = self.line()
            if answer.startswith(b"+"):
                return None
            if answer.startswith(b"* BYE"):
                raise Lost(answer.decode(errors="replace"))
            if answer.startswith(tag.encode() + b" "):
                _, status, text = (answer.decode(errors="replace") + " ").split(" ", 2)
                return status, text.strip()

    # ---- Commands with any number of literals

    def send_pieces(self, pieces: list[tuple[bytes, bytes | None]]) -> str:
        """Text, each with the literal that follows it, without waiting for anything (LITERAL+)."""
        tag = self.next_tag()
        octets = [f"{tag} ".encode()]
        for text, literal in pieces:
            octets += [text, b"\r\n" if literal is None else b"{%d+}\r\n" % len(literal) + literal]
        self.send(b"".join(octets))
        return tag

    def begin_pieces(
            self, pieces: list[tuple[bytes, bytes | None]]) -> tuple[str, bytes, tuple[str, str] | None]:
        """Sends all but the last octets, without which there is no command; waits for each continuation. A completion
        instead of one is a refusal."""
        tag = self.next_tag()
        ahead = f"{tag} ".encode()
        for text, literal in pieces:
            if literal is None:
                return tag, ahead + text + b"\r\n", None
            self.send(ahead + text + b"{%d}\r\n" % len(literal))
            if refusal := self._continuation(tag):
                return tag, b"", refusal
            ahead = literal
        raise ValueError("the last piece has a literal")

    # ---- Reading

    def examine(self, mailbox: str) -> int:
        """How many messages there are."""
        untagged: list[bytes] = []
        status, text = self.completion(self.send_command(f'EXAMINE "{mailbox}"'), untagged)
        if status != "OK":
            raise Lost(f"EXAMINE: {status} {text}")
        found = [re.match(rb"\* (\d+) EXISTS", line) for line in untagged]
        return next((int(match[1]) for match in found if match), 0)

    def messages(self, count: int, at_once: int = 100) -> Iterator[tuple[int, bytes]]:
        """Uid and octets of each message of the mailbox that is open."""
        for first in range(1, count + 1, at_once):
            tag = self.send_command(f"FETCH {first}:{min(count, first + at_once - 1)} (UID BODY.PEEK[])")
            while True:
                line = self.line()
                if line.startswith(tag.encode() + b" "):
                    if not line.startswith(tag.encode() + b" OK"):
                        raise Lost(f"FETCH: {line!r}")
                    break
                literal = re.search(rb"\{(\d+)\}$", line)
                if literal:
                    octets = self.exactly(int(literal[1]))
                    rest = self.line()
                    uid = re.search(rb"UID (\d+)", line + rest)
                    yield int(uid[1]) if uid else 0, octets

    def logout(self) -> bool:
        """Ends in order: LOGOUT, BYE and OK read, closed both ways."""
        try:
            status, _ = self.completion(self.send_command("LOGOUT"), untagged=[])
            if status != "OK":
                raise Lost("LOGOUT refused")
        except Lost:
            self.reset()
            return False
        return self.end_in_order()
