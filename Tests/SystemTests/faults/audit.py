"""Every journal entry and every filing against every mailbox: missing, doubled, altered."""

import collections
import concurrent.futures
import dataclasses
import hashlib

from . import readers
from .filings import FIRST_NUMBER, MAILBOXES, NUMBERS_OF_ONE, Filing, FilingMaker, State
from .imap import IMAPSession
from .journal import Entry, Journal
from .messages import number_of
from .senders import Door
from .wire import client_tls


@dataclasses.dataclass
class Wrong:
    """One message that is not as it must be, in one mailbox."""

    what: str
    entry: Entry | None
    name: str
    text: str


@dataclasses.dataclass
class Outcome:
    """What the comparison found."""

    stored: int = 0
    missing: int = 0
    # Of those: one of two copies is there, and the second was meant.
    missing_seconds: int = 0
    doubled: int = 0
    altered: int = 0
    strangers: int = 0
    # Honest seconds whose two copies were certain.
    certain_seconds: int = 0
    wrong: list[Wrong] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class WrongFiling:
    """One filing that is not as it must be."""

    what: str
    filing: Filing | None
    text: str


@dataclasses.dataclass
class FilingOutcome:
    """What the comparison of filings found."""

    stored: int = 0
    wrong: list[WrongFiling] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class Copy:
    uid: int
    digest: bytes
    has_only_trace_before: bool


def compare(journal: Journal, seed: int, door: Door, passwords: dict[str, str],
            trace_fields: tuple[bytes, ...]) -> Outcome:
    """Reads every mailbox of the accounts and holds it against the journal."""
    mailboxes = [(address, mailbox) for address in passwords for mailbox in ("INBOX", readers.MAILBOX)]
    found: dict[tuple[str, str, int], list[Copy]] = collections.defaultdict(list)
    outcome = Outcome()
    for (address, mailbox), copies, strange in _read_all(mailboxes, seed, door, passwords, trace_fields):
        for number, copy in copies:
            found[address, mailbox, number].append(copy)
        for text in strange:
            outcome.strangers += 1
            outcome.wrong.append(Wrong("stranger", None, address, text))
    outcome.stored = sum(map(len, found.values()))
    for entry in journal.entries:
        mailbox = readers.MAILBOX if entry.door.startswith("imap") else "INBOX"
        for name in entry.deliveries:
            _judge(entry, name, found.pop((name, mailbox, entry.number), []), outcome)
    for (address, mailbox, number), copies in found.items():
        outcome.strangers += len(copies)
        outcome.wrong.append(Wrong("stranger", None, address, f"message {number} in {mailbox}, of no entry"))
    return outcome


def _judge(entry: Entry, name: str, copies: list[Copy], outcome: Outcome) -> None:
    delivery = entry.deliveries[name]
    uids = "uids " + (" ".join(str(copy.uid) for copy in copies) or "none")
    outcome.certain_seconds += delivery.certain > 1
    if len(copies) < delivery.certain:
        outcome.missing += delivery.certain - len(copies)
        outcome.missing_seconds += len(copies) == 1
        outcome.wrong.append(Wrong("missing", entry, name, f"{delivery.certain} certain, found {len(copies)}: {uids}"))
    if len(copies) > delivery.begun:
        outcome.doubled += len(copies) - delivery.begun
        outcome.wrong.append(Wrong("doubled", entry, name, f"{delivery.begun} begun, found {len(copies)}: {uids}"))
    altered = [copy for copy in copies if copy.digest != entry.digest or not copy.has_only_trace_before]
    if altered:
        outcome.altered += len(altered)
        outcome.wrong.append(Wrong("altered", entry, name, "uids " + " ".join(str(copy.uid) for copy in altered)))


def compare_filings(
        filings: list[Filing], maker: FilingMaker, door: Door, passwords: dict[str, str]) -> FilingOutcome:
    """Reads every mailbox of the filers' accounts and holds it against the filings."""
    outcome = FilingOutcome()
    found: dict[int, list[tuple[str, int, Copy]]] = collections.defaultdict(list)
    mailboxes = [(address, mailbox) for address in passwords for mailbox in MAILBOXES]
    for (address, mailbox), copies, strange in _read_all(mailboxes, maker.maker.seed, door, passwords, ()):
        outcome.wrong += [WrongFiling("stranger", None, f"{address}: {text}") for text in strange]
        for number, copy in copies:
            index = (number - FIRST_NUMBER) // NUMBERS_OF_ONE
            if not 0 <= index < len(filings) or filings[index].account != address:
                outcome.wrong.append(WrongFiling("stranger", None, f"message {number} in {mailbox} of {address}"))
            else:
                found[index].append((mailbox, number, copy))
    outcome.stored = sum(map(len, found.values()))
    for filing in filings:
        outcome.wrong += [WrongFiling("refused", filing, text) for text in filing.wrong]
        judge_filing(filing, maker, found[filing.number], outcome)
    return outcome


def judge_filing(
        filing: Filing, maker: FilingMaker, copies: list[tuple[str, int, Copy]], outcome: FilingOutcome) -> None:
    """Holds the copies of a filing's messages, by mailbox and number, against what may be there."""
    digests = maker.digests(filing)
    there: State = collections.Counter((mailbox, number) for mailbox, number, _ in copies)
    states = filing.outcomes()
    text = f"there {_text(there)}; may be {' or '.join(map(_text, states))}"
    if there not in states:
        keys = {*there, *(key for state in states for key in state)}
        if any(there[key] < min(state[key] for state in states) for key in keys):
            what = "missing"
        elif any(there[key] > max(state[key] for state in states) for key in keys):
            what = "doubled"
        else:
            what = "in part"
        outcome.wrong.append(WrongFiling(what, filing, text))
    elif filing.step is None and filing.uids is not None and not filing.wrong:
        told = {(filing.place, number, uid) for number, uid in zip(filing.messages, filing.uids)}
        if told - {(mailbox, number, copy.uid) for mailbox, number, copy in copies}:
            outcome.wrong.append(WrongFiling("other uids", filing, f"told {sorted(told)}"))
    # What a filer puts there stands there octet by octet: no trace field is before it.
    altered = [number for _, number, copy in copies if digests.get(number) != copy.digest
               or not copy.has_only_trace_before]
    if altered:
        outcome.wrong.append(WrongFiling("altered", filing, " ".join(map(str, altered))))


def _text(state: State) -> str:
    return ", ".join(f"{count} of {number} in {place}" for (place, number), count in sorted(state.items())) or "none"


def _read_all(pairs: list[tuple[str, str]], seed: int, door: Door, passwords: dict[str, str],
              trace_fields: tuple[bytes, ...]):
    """What `_read` finds in each mailbox, some at once."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield from pool.map(lambda pair: _read(pair, seed, door, passwords[pair[0]], trace_fields), pairs)


def _read(pair: tuple[str, str], seed: int, door: Door, password: str, trace_fields: tuple[bytes, ...]):
    address, mailbox = pair
    session = IMAPSession(
        door.port, {"address": address, "password": password}, timeout=120, tls=client_tls() if door.has_tls else None)
    copies, strange = [], []
    count = session.examine(mailbox)
    for uid, octets in session.messages(count):
        identity = number_of(octets)
        if identity is None or identity[0] != seed:
            strange.append(f"uid {uid} in {mailbox} is no message of this run: {octets[:60]!r}")
            continue
        _, number, start = identity
        copies.append((number, Copy(
            uid, hashlib.sha256(memoryview(octets)[start:]).digest(), _is_trace(octets[:start], trace_fields))))
    session.logout()
    if len(copies) + len(strange) != count:
        strange.append(f"{mailbox} has {count} messages, {len(copies) + len(strange)} came")
    return pair, copies, strange


def _is_trace(prefix: bytes, trace_fields: tuple[bytes, ...]) -> bool:
    fields = [line.split(b":")[0] for line in prefix.split(b"\r\n")[:-1] if not line.startswith((b" ", b"\t"))]
    return all(field in trace_fields for field in fields)
