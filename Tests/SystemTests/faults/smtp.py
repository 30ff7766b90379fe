"""SMTP, submission and LMTP from the client's side, with each way to bring a message."""

import base64
import dataclasses
import ssl

from .wire import Connection, Lost, Proxy


@dataclasses.dataclass(frozen=True)
class Style:
    """How a transaction is spoken."""

    is_pipelined: bool = False
    # Pieces by BDAT; 0 is DATA.
    chunks: int = 0
    # QUIT is sent behind the content, before its reply is read.
    quits_behind: bool = False

    def __str__(self) -> str:
        words = ["DATA" if self.chunks == 0 else f"BDAT in {self.chunks}"]
        words += ["pipelined"] * self.is_pipelined + ["QUIT behind"] * self.quits_behind
        return ", ".join(words)


@dataclasses.dataclass
class Attempt:
    """One transaction: filled while it goes on, so that it says how far it came when the connection is lost."""

    reverse_path: str
    recipients: list[str]
    octets: bytes
    # Octets of the content may have left.
    is_content_sent: bool = False
    # The reply for each recipient, as far as one was surely read.
    replies: dict[str, tuple[int, str]] = dataclasses.field(default_factory=dict)


def dot_stuffed(octets: bytes) -> bytes:
    """The content of DATA with its end (RFC 5321, 4.5.2)."""
    stuffed = octets.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"


class SMTPSession(Connection):
    """A session after its greeting and EHLO (LHLO)."""

    def __init__(self, port: int, *, timeout: float = 30, is_lmtp: bool = False, tls: ssl.SSLContext | None = None,
                 starts_tls: bool = False, login: dict | None = None, proxy: Proxy | None = None) -> None:
        self.is_lmtp = is_lmtp
        self.is_quit_said = False
        super().__init__(port, timeout, None if starts_tls else tls, proxy)
        try:
            self.expect(220, self.reply())
            self._greet()
            if starts_tls and tls:
                self.expect(220, self.command("STARTTLS"))
                self.start_tls(tls)
                self._greet()
            if login:
                secret = base64.b64encode(f"\0{login['address']}\0{login['password']}".encode()).decode()
                self.expect(235, self.command(f"AUTH PLAIN {secret}"))
        except Lost:
            self.reset()
            raise

    def _greet(self) -> None:
        self.expect(250, self.command("LHLO client.elsewhere.test" if self.is_lmtp else "EHLO client.elsewhere.test"))

    def reply(self) -> tuple[int, str]:
        while True:
            line = self.line()
            if len(line) < 3 or not line[:3].isdigit():
                raise Lost(f"no reply: {line[:80]!r}")
            if line[3:4] != b"-":
                return int(line[:3]), line[4:].decode(errors="replace")

    def command(self, text: str) -> tuple[int, str]:
        self.send(text.encode() + b"\r\n")
        return self.reply()

    @staticmethod
    def expect(code: int, reply: tuple[int, str]) -> None:
        if reply[0] != code:
            raise Lost(f"{reply[0]} {reply[1]}")

    # ---- One transaction

    def envelope(self, attempt: Attempt) -> list[str]:
        return [f"MAIL FROM:<{attempt.reverse_path}>", *(f"RCPT TO:<{address}>" for address in attempt.recipients)]

    def deliver(self, attempt: Attempt, style: Style = Style()) -> None:
        """Brings a message; the outcome is in the attempt, also when the connection is lost on the way."""
        if style.chunks and style.is_pipelined:
            self.send_stream([attempt], style)
            self.read_stream_reply(attempt, style)
        elif accepted := self._open(attempt, style):
            if style.chunks:
                self._bring_chunks(attempt, accepted, style)
            else:
                attempt.is_content_sent = True
                self.is_quit_said = style.quits_behind
                self.send(dot_stuffed(attempt.octets) + b"QUIT\r\n" * style.quits_behind)
                self._read_outcome(attempt, accepted)
        if not self.is_quit_said and any(code >= 400 for code, _ in attempt.replies.values()):
            # After a refused BDAT the state is not known (RFC 3030, 2).
            self.expect(250, self.command("RSET"))

    def _open(self, attempt: Attempt, style: Style) -> list[str]:
        """MAIL, RCPT and (but for BDAT) DATA; the recipients whose content is awaited now."""
        commands = self.envelope(attempt) + ([] if style.chunks else ["DATA"])
        if style.is_pipelined:
            self.send("".join(f"{command}\r\n" for command in commands).encode())
            replies = [self.reply() for _ in commands]
        else:
            replies = []
            for command in commands:
                if command == "DATA" and not any(code == 250 for code, _ in replies[1:]):
                    replies.append((503, ""))
                    break
                replies.append(self.command(command))
                if replies[0][0] != 250:
                    replies += [replies[0]] * (len(commands) - 1)
                    break
        accepted = self._accepted(attempt, replies)
        if not style.chunks and accepted and replies[-1][0] != 354:
            attempt.replies.update({address: replies[-1] for address in accepted})
            return []
        if not style.chunks and not accepted and replies[-1][0] == 354:
            raise Lost("354 without a recipient")
        return accepted

    def _accepted(self, attempt: Attempt, replies: list[tuple[int, str]]) -> list[str]:
        accepted = []
        for address, reply in zip(attempt.recipients, replies[1:]):
            if replies[0][0] == 250 and reply[0] == 250:
                accepted.append(address)
            else:
                attempt.replies[address] = replies[0] if replies[0][0] != 250 else reply
        self._notice_end(replies)
        return accepted

    def _notice_end(self, replies: list[tuple[int, str]]) -> None:
        for code, text in replies:
            if code == 421:
                raise Lost(f"421 {text}")

    def _read_outcome(self, attempt: Attempt, accepted: list[str]) -> None:
        if self.is_lmtp:
            for address in accepted:
                attempt.replies[address] = self._outcome()
                self._notice_end([attempt.replies[address]])
        else:
            reply = self._outcome()
            attempt.replies.update({address: reply for address in accepted})
            self._notice_end([reply])

    def _outcome(self) -> tuple[int, str]:
        """A reply that says what became of the content. Any other would be taken for it by a client that counts replies."""
        code, text = self.reply()
        assert code == 250 or code >= 400, f"what became of the content was due, and came {code} {text}"
        return code, text

    # ---- BDAT

    @staticmethod
    def _pieces(octets: bytes, count: int) -> list[bytes]:
        size = max(1, -(-len(octets) // max(1, count)))
        return [octets[start:start + size] for start in range(0, len(octets), size)]

    def _bring_chunks(self, attempt: Attempt, accepted: list[str], style: Style) -> None:
        pieces = self._pieces(attempt.octets, style.chunks)
        attempt.is_content_sent = True
        for piece in pieces[:-1]:
            self.send(b"BDAT %d\r\n" % len(piece) + piece)
            reply = self.reply()
            if reply[0] != 250:
                attempt.replies.update({address: reply for address in accepted})
                self._notice_end([reply])
                return
        self.is_quit_said = style.quits_behind
        self.send(b"BDAT %d LAST\r\n" % len(pieces[-1]) + pieces[-1] + b"QUIT\r\n" * style.quits_behind)
        self._read_outcome(attempt, accepted)

    def send_stream(self, attempts: list[Attempt], style: Style, has_resets: bool = True) -> None:
        """Whole transactions in one go, before any reply is read (RFC 3030, 4.2).

        RSET stands between them, or else a transaction whose content was refused might go on with the next content
        (RFC 3030, 2: after a refused BDAT nothing but RSET is to be sent).
        """
        parts: list[bytes] = []
        for attempt in attempts:
            attempt.is_content_sent = True
            if has_resets and attempt is not attempts[0]:
                parts.append(b"RSET\r\n")
            parts += [command.encode() + b"\r\n" for command in self.envelope(attempt)]
            pieces = self._pieces(attempt.octets, style.chunks)
            for piece in pieces[:-1]:
                parts.append(b"BDAT %d\r\n" % len(piece) + piece)
            parts.append(b"BDAT %d LAST\r\n" % len(pieces[-1]) + pieces[-1])
        parts += [b"QUIT\r\n"] * style.quits_behind
        self.is_quit_said = style.quits_behind
        self.send(b"".join(parts))

    def read_stream_reply(self, attempt: Attempt, style: Style) -> None:
        """The replies to one of those transactions."""
        replies = [self.reply() for _ in range(1 + len(attempt.recipients))]
        accepted = self._accepted(attempt, replies)
        chunks = len(self._pieces(attempt.octets, style.chunks))
        for _ in range(chunks - 1):
            reply = self.reply()
            if accepted and reply[0] != 250:
                # How many replies follow now is not worth knowing: the outcome is not 250 in any case.
                attempt.replies.update({address: reply for address in accepted})
                raise Lost(f"a chunk was refused: {reply[0]} {reply[1]}")
        if accepted:
            self._read_outcome(attempt, accepted)
        else:
            self._notice_end([self.reply()])

    def read_stream_replies(self, attempts: list[Attempt], style: Style) -> None:
        """The replies to all of them, with RSET between them."""
        for attempt in attempts:
            if attempt is not attempts[0]:
                self.expect(250, self.reply())
            self.read_stream_reply(attempt, style)

    def quit(self) -> bool:
        """Ends in order: QUIT (unless it is said already), 221 read, closed both ways."""
        try:
            if not self.is_quit_said:
                self.send(b"QUIT\r\n")
            if self.reply()[0] != 221:
                raise Lost("QUIT refused")
        except Lost:
            self.reset()
            return False
        return self.end_in_order()
