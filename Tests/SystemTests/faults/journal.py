"""What senders did and what they surely know: how many copies of each message are certain, and how many possible.

For each message and mailbox there are never more copies than submissions begun, and at least one as soon as a 250 was
read. A second submission of the same octets (an honest second) makes two certain only where the server can tell it
from a repetition (Tests/Models/README.md, "What cannot be promised"):

- both replies were read on one connection; or
- the connection on which the first reply was read ended in order, and no process that serves such connections died
  between its beginning and the reply to the second, or was taken for dead: a settlement that had not left it may have
  died with it.
"""

import dataclasses
import enum
import itertools
import threading
import time
from collections.abc import Sequence


class Second(enum.Enum):
    """Whether a message is sent twice on purpose, and how."""

    NONE = "none"
    SAME_CONNECTION = "on the same connection"
    AFTER_END = "after an end in order"


@dataclasses.dataclass(slots=True)
class ConnectionRecord:
    """One connection of a sender, for the journal."""

    number: int
    door: str
    front: str
    opened_at: float
    # None while it is open.
    ended_in_order: bool | None = None
    way: str = ""


@dataclasses.dataclass(slots=True)
class Delivery:
    """One message for one mailbox."""

    begun: int = 0
    # Copies that must be there, as far as replies that were read make it certain.
    certain: int = 0
    # The connection on which the current submission's reply was read; None until then.
    known_on: ConnectionRecord | None = None
    # The same of the submission before.
    first_known_on: ConnectionRecord | None = None
    is_refused: bool = False

    @property
    def is_pending(self) -> bool:
        return self.known_on is None and not self.is_refused


@dataclasses.dataclass(slots=True)
class Entry:
    """One numbered message."""

    number: int
    door: str
    # Whom it is from; for APPEND the line's flags and date.
    origin: str
    # By recipient's address, or the mailbox for APPEND.
    deliveries: dict[str, Delivery]
    digest: bytes
    octets: int
    second: Second = Second.NONE
    submission: int = 0
    begun_at: float = 0
    # When the current submission was begun and known, and the longest time that one took.
    longest: float = 0
    tries: int = 0
    repetitions: int = 0
    is_in_doubt: bool = False
    events: list[tuple[float, int, str]] = dataclasses.field(default_factory=list)

    @property
    def pending(self) -> list[str]:
        return [address for address, delivery in self.deliveries.items() if delivery.is_pending]

    @property
    def is_accepted(self) -> bool:
        """Every recipient's reply to the current submission was read, and was 250."""
        return all(delivery.known_on is not None for delivery in self.deliveries.values())


class Journal:
    """Every entry of a run. Entries are changed by one sender at a time; the tables by anyone."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.entries: list[Entry] = []
        self.connections = itertools.count(1)
        self.connection_count = 0
        # When processes that talk to clients died, by service: since when one may have been dead, and until when.
        self.deaths: dict[str, list[tuple[float, float]]] = {}
        # Replies to second submissions behind an end in order: whose they are, where the first was read, and when.
        self._seconds: list[tuple[Delivery, ConnectionRecord, float]] = []
        self._lock = threading.Lock()

    def connection(self, door: str, front: str, way: str) -> ConnectionRecord:
        self.connection_count += 1
        return ConnectionRecord(next(self.connections), door, front, time.monotonic(), way=way)

    def died(self, service: str, since: float | None = None, until: float | None = None) -> None:
        """A process dies now; or one may have been dead, or taken for dead, since then, and until then or now."""
        now = time.monotonic()
        with self._lock:
            self.deaths.setdefault(service, []).append(
                (now if since is None else since, now if until is None else until))

    def add(self, entry: Entry) -> None:
        with self._lock:
            self.entries.append(entry)

    def note(self, entry: Entry, connection: ConnectionRecord | None, text: str) -> None:
        entry.events.append((time.monotonic() - self.started, connection.number if connection else 0, text))

    # ---- What a sender tells

    def begin_submission(self, entry: Entry) -> None:
        """The sender means the message once (more). From now on it is repeated until it is known."""
        entry.submission += 1
        entry.begun_at = time.monotonic()
        entry.is_in_doubt = False
        for delivery in entry.deliveries.values():
            if not delivery.is_refused:
                delivery.begun += 1
                delivery.first_known_on, delivery.known_on = delivery.known_on, None
        self.note(entry, None, f"submission {entry.submission} begun")

    def tried(self, entry: Entry, connection: ConnectionRecord, what: str) -> None:
        entry.tries += 1
        if entry.is_in_doubt:
            entry.repetitions += 1
        self.note(entry, connection, f"try by {connection.door} ({connection.way}), {what}: "
                  + (", ".join(entry.pending) if len(entry.deliveries) > 1 else "all"))

    def accepted(self, entry: Entry, name: str, connection: ConnectionRecord, reply: str) -> None:
        """A reply was read that promises a copy."""
        delivery = entry.deliveries[name]
        if not delivery.is_pending:
            return
        delivery.known_on = connection
        first = delivery.first_known_on
        delivery.certain = max(delivery.certain, 2 if first is connection else 1)
        if first is not None and first is not connection and first.ended_in_order:
            with self._lock:
                self._seconds.append((delivery, first, time.monotonic()))
        self.note(entry, connection, f"{name}: {reply}")
        if not entry.pending:
            entry.is_in_doubt = False
            entry.longest = max(entry.longest, time.monotonic() - entry.begun_at)

    def deferred(self, entry: Entry, name: str, connection: ConnectionRecord, reply: str) -> None:
        """A reply was read that asks to try again."""
        self.note(entry, connection, f"{name}: {reply}")

    def refused(self, entry: Entry, name: str, connection: ConnectionRecord, reply: str) -> None:
        """A reply was read that forbids to try again."""
        entry.deliveries[name].is_refused = True
        self.note(entry, connection, f"{name}: {reply}")

    def lost(self, entry: Entry, connection: ConnectionRecord | None, reason: str, is_content_sent: bool) -> None:
        entry.is_in_doubt = entry.is_in_doubt or is_content_sent
        self.note(entry, connection, f"lost{', content sent' if is_content_sent else ''}: {reason}")

    # ---- Afterwards

    def judge_seconds(self) -> None:
        """Of which honest seconds two copies are certain: at the end, since some deaths are known late."""
        for delivery, first, known_at in self._seconds:
            if not any(since <= known_at and first.opened_at <= until
                       for since, until in self.deaths.get(first.front, ())):
                delivery.certain = 2

    def wrong_refusals(self) -> list[Entry]:
        return [entry for entry in self.entries if any(d.is_refused for d in entry.deliveries.values())]

    def unknown(self) -> list[Entry]:
        """Messages whose sender never came to know."""
        return [entry for entry in self.entries if entry.submission and entry.pending]

    def story(self, entry: Entry, strikes: Sequence[tuple[float, str]] = ()) -> list[str]:
        """What its sender did, between the faults that struck."""
        lines = [(when, f"connection {number or '-':>6}  {text}") for when, number, text in entry.events]
        lines += [(when, f"fault  {text}") for when, text in strikes]
        return [f"message {entry.number} by {entry.door}, {entry.octets} octets, second: {entry.second.value}",
                *(f"  {when:9.3f} s  {text}" for when, text in sorted(lines, key=lambda line: line[0]))]
