"""Senders: sessions that deliver what the board gives them, and give back what they do not know the outcome of."""

import contextlib
import dataclasses
import random
import ssl
import threading
import time

from . import readers
from .board import Board
from .cutter import Cutter
from .journal import ConnectionRecord, Entry, Journal, Second
from .smtp import Attempt, SMTPSession, Style
from .wire import Connection, Lost, client_tls

# How long a client waits for a reply before it gives the connection up. Some give up while the server still works.
PATIENCE = [3.0, 6.0, 12.0, 25.0]


@dataclasses.dataclass(frozen=True)
class Door:
    """One way in."""

    name: str
    port: int
    # Which service listens there.
    front: str
    protocol: str = "smtp"
    has_tls: bool = False
    starts_tls: bool = False
    needs_login: bool = False
    # How often it is chosen.
    weight: float = 1.0
    # The port of the cutter that leads there.
    cut_port: int = 0


class Sender(threading.Thread):
    """One session after the other, until stopped."""

    def __init__(self, index: int, seed: int, board: Board, journal: Journal, doors: dict[str, Door],
                 passwords: dict[str, str], cutter: Cutter) -> None:
        super().__init__(daemon=True, name=f"sender {index}")
        self.random = random.Random(f"{seed} sender {index}")
        self.board, self.journal, self.doors, self.passwords = board, journal, doors, passwords
        self.cutter = cutter
        self.tls: ssl.SSLContext = client_tls()
        self.is_stopping = False
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.is_stopping:
                work = self.board.take(self.random)
                if work is None:
                    time.sleep(0.02)
                    continue
                door, entries = self.doors[work[0]], work[1]
                if not door.needs_login:
                    self.session(door, entries)
                    continue
                for user in dict.fromkeys(entry.origin.split("|")[0] for entry in entries):
                    self.session(door, [entry for entry in entries if entry.origin.split("|")[0] == user])
        except BaseException as failure:
            # A sender that fails would look like a message that nobody knows of: the harness says what it was.
            self.failure = failure
            raise

    # ---- A session

    def session(self, door: Door, entries: list[Entry]) -> None:
        is_cut = self.random.random() < 0.75
        patience = self.random.choice(PATIENCE)
        record = self.journal.connection(door.name, door.front, "cutter" if is_cut else "direct")
        connection = None
        try:
            connection = self.open(door, door.cut_port if is_cut else door.port, patience, entries[0])
            if door.protocol == "imap":
                is_ended = readers.append_all(self, connection, record, entries)
            else:
                is_ended = self.deliver_all(connection, record, entries)
            record.ended_in_order = is_ended and (not is_cut or self.cutter.ended_in_order(connection.local_port))
        except Lost as loss:
            record.ended_in_order = False
            for entry in entries:
                if entry.pending and (not entry.events or entry.events[-1][1] != record.number):
                    self.journal.lost(entry, record, str(loss), False)
            if connection:
                self.give_up(connection)
        for entry in entries:
            self.decide(entry)

    def open(self, door: Door, port: int, patience: float, entry: Entry) -> Connection:
        user = entry.origin.split("|")[0]
        login = {"address": user, "password": self.passwords[user]} if door.needs_login else None
        tls = self.tls if door.has_tls or door.starts_tls else None
        if door.protocol == "imap":
            assert login
            return readers.IMAPSession(port, login, timeout=patience, tls=tls, starts_tls=door.starts_tls)
        return SMTPSession(
            port, timeout=patience, is_lmtp=door.protocol == "lmtp", tls=tls, starts_tls=door.starts_tls, login=login)

    def give_up(self, connection: Connection) -> None:
        """A client that has lost patience: by RST, or as a program ends that does not care."""
        if self.random.random() < 0.5:
            connection.reset()
        else:
            connection.close()

    def decide(self, entry: Entry) -> None:
        """What becomes of a message after a session: again, a second time on purpose, or done."""
        if entry.pending:
            since = sum(1 for event in entry.events[-40:] if "try by" in event[2])
            self.board.put_back(entry, min(5.0, 0.15 * 2 ** min(since, 6)) * self.random.uniform(0.5, 1.5))
        elif (entry.second is Second.AFTER_END and entry.submission == 1 and entry.is_accepted
              and all(delivery.known_on.ended_in_order for delivery in entry.deliveries.values())):
            pause = self.random.choice([0.0, self.random.uniform(0, 1.5)])
            self.journal.begin_submission(entry)
            entry.begun_at += pause
            self.board.put_back(entry, pause)
        else:
            self.board.finished(entry)

    # ---- SMTP

    def deliver_all(self, session: SMTPSession, record: ConnectionRecord, entries: list[Entry]) -> bool:
        """Every entry, and the end; true when the session ended in order."""
        style = Style(is_pipelined=self.random.random() < 0.5, chunks=self.random.choice([0, 0, 0, 1, 1, 3]))
        if style.is_pipelined and style.chunks and len(entries) > 1 and self.random.random() < 0.5:
            self.deliver_stream(session, record, entries, style)
        else:
            for entry in entries:
                is_last = entry is entries[-1] and entry.second is not Second.SAME_CONNECTION
                if is_last and self.random.random() < 0.25:
                    style = dataclasses.replace(style, quits_behind=True)
                self.deliver(session, record, entry, style)
                if style.quits_behind:
                    break
                if entry.pending and self.random.random() < 0.4:
                    # Told to try again, on the same connection: rare among senders, and allowed.
                    time.sleep(self.random.uniform(0, 0.5))
                    self.deliver(session, record, entry, style)
                if entry.second is Second.SAME_CONNECTION and entry.submission == 1 and entry.is_accepted:
                    self.journal.begin_submission(entry)
                    self.deliver(session, record, entry, style)
        if not session.is_quit_said and self.random.random() < 0.12:
            self.give_up(session)
            return False
        return session.quit()

    def attempt(self, record: ConnectionRecord, entry: Entry, what: str) -> Attempt:
        self.journal.tried(entry, record, what)
        return Attempt(entry.origin, entry.pending, self.board.message(entry).octets)

    def deliver(self, session: SMTPSession, record: ConnectionRecord, entry: Entry, style: Style) -> None:
        attempt = self.attempt(record, entry, str(style))
        with self.outcome(record, entry, attempt):
            session.deliver(attempt, style)

    def deliver_stream(
            self, session: SMTPSession, record: ConnectionRecord, entries: list[Entry], style: Style) -> None:
        attempts = [self.attempt(record, entry, f"{style}, all in one stream") for entry in entries]
        with contextlib.ExitStack() as outcomes:
            for entry, attempt in zip(entries, attempts):
                outcomes.enter_context(self.outcome(record, entry, attempt))
            session.send_stream(attempts, style)
            session.read_stream_replies(attempts, style)

    @contextlib.contextmanager
    def outcome(self, record: ConnectionRecord, entry: Entry, attempt: Attempt):
        """Takes what was learnt into the journal, also when the connection is lost."""
        loss: Lost | None = None
        try:
            yield
        except Lost as lost:
            loss = lost
        for address, (code, text) in attempt.replies.items():
            reply = f"{code} {text}"
            if 200 <= code < 300:
                self.journal.accepted(entry, address, record, reply)
            elif 500 <= code < 600:
                self.journal.refused(entry, address, record, reply)
            else:
                self.journal.deferred(entry, address, record, reply)
        if entry.pending:
            entry.is_in_doubt = entry.is_in_doubt or attempt.is_content_sent
            if loss:
                self.journal.lost(entry, record, str(loss), attempt.is_content_sent)
        if loss:
            raise loss
