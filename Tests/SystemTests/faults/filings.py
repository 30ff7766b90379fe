"""Filings: numbered messages that a client puts into a mailbox, and then replaces, moves and copies.

Each step is one command. What the mailboxes must hold follows from the steps whose outcome was read, and from the one
whose outcome was not:

- a step that got OK has happened once, however often it was repeated: several messages of one command (RFC 3502) are
  all there; a message that was replaced (RFC 8508) is gone, and the new one there; what was moved is in the target
  only;
- a step that got NO has left nothing, unless it was NO [UNAVAILABLE], which says nothing of what was done;
- a step that has no answer has happened wholly or not at all.

COPY alone is no command that may be repeated: nothing says of a second one whether it is meant. There each try whose
answer was lost may have made a copy, but of all messages of the command or of none.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import hashlib
import random
import time

from .messages import MessageMaker

# Where messages are put, moved and copied to; and whence parts of them are taken.
PLACES = ["Desk", "Tray", "Cabinet"]
COPIES = "Copies"
PARTS = "Parts"
MAILBOXES = [*PLACES, COPIES]
NOWHERE = "Nowhere"
# No mailbox here ever comes so far.
NO_UID = 4_294_967_290

# Numbers of the messages: they all have ten digits, so that none is the beginning of another.
FIRST_NUMBER = 1_000_000_000
NUMBERS_OF_ONE = 100

# Beyond this a message does not go together with others.
MOST_OCTETS_TOGETHER = 20_000


class Kind(enum.Enum):
    """One command."""

    APPEND = "APPEND"
    REPLACE = "REPLACE"
    MOVE = "MOVE"
    COPY = "COPY"


@dataclasses.dataclass(frozen=True)
class Part:
    """Octets that travel, or that the server has already (RFC 4469)."""

    octets: bytes
    url: str | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """A message in PARTS that others take parts of."""

    uid_validity: int
    uid: int
    octets: bytes

    def part(self, source: random.Random) -> Part:
        """The whole message, its header, its text, or some octets (RFC 5092)."""
        url = f"/{PARTS};UIDVALIDITY={self.uid_validity}/;UID={self.uid}"
        header_octets = self.octets.index(b"\r\n\r\n") + 4
        match source.randrange(4):
            case 0:
                return Part(self.octets, url)
            case 1:
                return Part(self.octets[:header_octets], url + "/;SECTION=HEADER")
            case 2:
                return Part(self.octets[header_octets:], url + "/;SECTION=TEXT")
            case _:
                first = source.randrange(len(self.octets) - 1)
                count = source.randrange(1, len(self.octets) - first)
                return Part(self.octets[first:first + count], f"{url}/;PARTIAL={first}.{count}")


@dataclasses.dataclass(frozen=True)
class Content:
    """One message as a command brings it."""

    number: int
    flags: str
    date: str
    parts: list[Part]

    @property
    def octets(self) -> bytes:
        return b"".join(part.octets for part in self.parts)

    @property
    def is_catenated(self) -> bool:
        return len(self.parts) > 1

    def pieces(self) -> list[tuple[bytes, bytes | None]]:
        """Text, each with the literal that follows it; the last has none."""
        head = f' ({self.flags}) "{self.date}" '
        if not self.is_catenated:
            return [(head.encode(), self.parts[0].octets), (b"", None)]
        pieces, text = [], head + "CATENATE ("
        for part in self.parts:
            if part.url is not None:
                text += f'URL "{part.url}" '
            else:
                pieces.append(((text + "TEXT ").encode(), part.octets))
                text = " "
        return [*pieces, ((text.rstrip() + ")").encode(), None)]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One command that is meant once."""

    kind: Kind
    # Where its messages go.
    mailbox: str = ""
    # How many messages it brings.
    count: int = 0
    # Those are made of parts: of each of them, by its place.
    catenates: tuple[bool, ...] = ()
    # How it is wrong, so that it must be refused: "" when it is not.
    wrong: str = ""

    def __str__(self) -> str:
        together = f" {self.count}" if self.count > 1 else ""
        made = " CATENATE" if any(self.catenates) else ""
        return f"{self.kind.value}{together}{made} to {self.mailbox}" + (f" ({self.wrong})" if self.wrong else "")


State = collections.Counter[tuple[str, int]]


@dataclasses.dataclass(slots=True, eq=False)
class Filing:
    """What one client does with some messages. Changed by one filer at a time."""

    number: int
    account: str
    steps: list[Step]
    index: int = 0
    # Where the messages are, their numbers, and their uids as far as they are known.
    place: str = ""
    messages: list[int] = dataclasses.field(default_factory=list)
    uids: list[int] | None = None
    # What the mailboxes may hold by the steps that are over: copies by mailbox and number.
    states: list[State] = dataclasses.field(default_factory=lambda: [collections.Counter()])
    # Tries of the current step that may have done something.
    doubtful: int = 0
    tries: int = 0
    # Of what was in doubt, by command.
    repetitions: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    waits: int = 0
    # What was wrong already when it was answered.
    wrong: list[str] = dataclasses.field(default_factory=list)
    events: list[tuple[float, int, str]] = dataclasses.field(default_factory=list)
    step_begun_at: float = 0
    longest: float = 0

    @property
    def step(self) -> Step | None:
        return self.steps[self.index] if self.index < len(self.steps) else None

    def numbers_of(self, step: Step) -> list[int]:
        """The numbers of the messages that a step brings."""
        before = sum(earlier.count for earlier in self.steps[:self.steps.index(step)])
        first = FIRST_NUMBER + self.number * NUMBERS_OF_ONE + before
        return list(range(first, first + step.count))

    # ---- What is learnt of the current step

    def done(self, uids: list[int] | None) -> None:
        """It was answered with OK."""
        step = self.step
        assert step
        if step.wrong:
            self.wrong.append(f"{step} got OK")
            return self.give_up()
        if step.count and uids is not None and len(uids) != step.count:
            self.wrong.append(f"{step}: {len(uids)} uids for {step.count} messages")
        self.states = self._after(step, most_copies=self.doubtful + 1)
        if step.kind is not Kind.COPY:
            self.place, self.uids = step.mailbox, uids
            self.messages = self.numbers_of(step) if step.count else self.messages
        self._next()

    def refused(self, reply: str) -> None:
        """It was answered with a NO that says that nothing was done."""
        step = self.step
        assert step
        if step.wrong:
            self._next()
        else:
            self.wrong.append(f"{step} was refused: {reply}")
            self.give_up()

    def give_up(self) -> None:
        """There are no further steps."""
        self.states = self.outcomes()
        self.index = len(self.steps)

    def _next(self) -> None:
        self.longest = max(self.longest, time.monotonic() - self.step_begun_at)
        self.index += 1
        self.doubtful = 0
        self.step_begun_at = time.monotonic()

    def outcomes(self) -> list[State]:
        """Everything that the mailboxes may hold of it now."""
        step = self.step
        if step is None or step.wrong or not self.doubtful:
            return self.states
        return self.states + self._after(step, most_copies=self.doubtful)

    def _after(self, step: Step, most_copies: int) -> list[State]:
        before = self.states[0]
        if step.kind is Kind.COPY:
            return [before + collections.Counter({(step.mailbox, number): copies for number in self.messages})
                    for copies in range(1, most_copies + 1)]
        old = collections.Counter({(self.place, number): 1 for number in self.messages})
        new = self.numbers_of(step) if step.count else self.messages
        return [before - old + collections.Counter({(step.mailbox, number): 1 for number in new})]


class FilingMaker:
    """Makes filings and their messages: the same seed and number give the same."""

    def __init__(self, maker: MessageMaker, sources: dict[str, list[Source]]) -> None:
        self.maker, self.sources = maker, sources
        self.accounts = list(sources)

    def make(self, number: int, account: str) -> Filing:
        source = random.Random(f"{self.maker.seed} filing {number}")
        count = source.choice([1, 1, 1, 2, 3, 5])
        steps = [self._bringing(source, Kind.APPEND, source.choice(PLACES), count)]
        place = steps[0].mailbox
        for _ in range(source.randrange(0, 4)):
            kind = source.choice([Kind.REPLACE, Kind.REPLACE, Kind.MOVE, Kind.MOVE] if count == 1 else [Kind.MOVE])
            if kind is Kind.REPLACE:
                place = place if source.random() < 0.6 else source.choice(PLACES)
                steps.append(self._bringing(source, kind, place, 1))
            else:
                place = source.choice([other for other in PLACES if other != place])
                steps.append(Step(kind, place))
        if source.random() < 0.3:
            steps.append(Step(Kind.COPY, COPIES))
        if source.random() < 0.25:
            # Not before there is something; behind COPY nothing more is known of it.
            steps.insert(source.randrange(1, len(steps) + 1), self._wrong(source))
        if source.random() < 0.1:
            # None of its messages may be there.
            steps.insert(0, self._wrong_append(source))
        return Filing(number, account, steps, step_begun_at=time.monotonic())

    @staticmethod
    def _bringing(source: random.Random, kind: Kind, mailbox: str, count: int, wrong: str = "") -> Step:
        return Step(kind, mailbox, count, tuple(source.random() < 0.3 for _ in range(count)), wrong)

    def _wrong_append(self, source: random.Random) -> Step:
        wrong = source.choice(["no such mailbox", "an empty message behind", "a URL of nothing"])
        mailbox = NOWHERE if wrong == "no such mailbox" else source.choice(PLACES)
        return self._bringing(source, Kind.APPEND, mailbox, source.choice([1, 2]), wrong)

    def _wrong(self, source: random.Random) -> Step:
        wrong = source.choice(["", "replaces nothing", "moves nowhere"])
        if wrong == "replaces nothing":
            return self._bringing(source, Kind.REPLACE, source.choice(PLACES), 1, wrong)
        return Step(Kind.MOVE, NOWHERE, wrong=wrong) if wrong else self._wrong_append(source)

    # ---- Messages

    def contents(self, filing: Filing, step: Step) -> list[Content]:
        """The messages of a step, made again."""
        found = []
        for number, catenates in zip(filing.numbers_of(step), step.catenates):
            source = random.Random(f"{self.maker.seed} content {number}")
            most = MOST_OCTETS_TOGETHER if step.count > 1 or catenates else None
            parts = [Part(self.maker.make(number, filing.account, filing.account, most).octets)]
            if catenates:
                for _ in range(source.randrange(1, 3)):
                    parts.append(source.choice(self.sources[filing.account]).part(source))
                    if source.random() < 0.5:
                        parts.append(Part(b"\r\nand behind it\r\n"))
            found.append(Content(number, source.choice(["", "\\Seen", "\\Draft $Numbered"]),
                                 f"{source.randrange(1, 29):02d}-Nov-2026 12:00:00 +0000", parts))
        return found

    def digests(self, filing: Filing) -> dict[int, bytes]:
        return {content.number: hashlib.sha256(content.octets).digest()
                for step in filing.steps if step.count for content in self.contents(filing, step)}

    def command(self, filing: Filing) -> list[tuple[bytes, bytes | None]]:
        """The current step on the wire: text, each with the literal that follows it; the last has none."""
        step = filing.step
        assert step
        uids = ",".join(map(str, filing.uids or []))
        if step.kind in (Kind.MOVE, Kind.COPY):
            return [(f'UID {step.kind.value} {uids} "{step.mailbox}"'.encode(), None)]
        if step.kind is Kind.REPLACE:
            uid = NO_UID if step.wrong else uids
            pieces = [(f'UID REPLACE {uid} "{step.mailbox}"'.encode(), None)]
        else:
            pieces = [(f'APPEND "{step.mailbox}"'.encode(), None)]
        for content in self.contents(filing, step):
            joined, *rest = content.pieces()
            pieces = [*pieces[:-1], (pieces[-1][0] + joined[0], joined[1]), *rest]
        if step.wrong == "an empty message behind":
            pieces = [*pieces[:-1], (pieces[-1][0] + b" ", b""), (b"", None)]
        elif step.wrong == "a URL of nothing":
            text = f' CATENATE (URL "/{PARTS}/;UID={NO_UID}")'.encode()
            pieces = [*pieces[:-1], (pieces[-1][0] + text, None)]
        return pieces
