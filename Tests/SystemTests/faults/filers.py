"""Filers: clients of users who file messages, and repeat a command in a new session when its answer was lost.

That is what mbsync and offlineimap do: the same command again, with the same flags and date.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
import re
import threading
import time

from .board import wait_while_fewer
from .filings import MAILBOXES, PARTS, Filing, FilingMaker, Kind, Source
from .imap import IMAPSession
from .journal import ConnectionRecord, Journal
from .messages import FIRST_FIELD, MessageMaker
from .senders import PATIENCE, Door
from .wire import Lost, client_tls

# Filings that are not over; new ones wait.
MOST_OPEN = 500

# The share of commands whose answer nobody reads, whatever else strikes: most come so quickly that few faults meet them.
UNREAD = 0.08

# NO with this says that it is not known what was done; every other NO, that nothing was.
UNKNOWN = "[UNAVAILABLE]"


class FilingBoard:
    """Which filing is to be gone on with next. Shared by all filers."""

    def __init__(self, maker: FilingMaker, rate: float) -> None:
        self.maker, self.rate = maker, rate
        self.filings: list[Filing] = []
        self._lock = threading.Lock()
        self._due: list[tuple[float, int, Filing]] = []
        self._order = itertools.count()
        self._counted_at = time.monotonic()
        self._allowance = 0.0
        self.is_producing = True
        self.open = 0

    def take(self, source: random.Random) -> list[Filing]:
        """What one session of one user goes on with; none when there is nothing now."""
        with self._lock:
            now = time.monotonic()
            self._allowance = min(self.rate, self._allowance + (now - self._counted_at) * self.rate)
            self._counted_at = now
            taken: list[Filing] = []
            others: list[tuple[float, int, Filing]] = []
            most = source.randrange(1, 6)
            while self._due and self._due[0][0] <= now and len(taken) < most:
                item = heapq.heappop(self._due)
                if taken and item[2].account != taken[0].account:
                    others.append(item)
                else:
                    taken.append(item[2])
            for item in others:
                heapq.heappush(self._due, item)
            while self.is_producing and self._allowance >= 1 and self.open < MOST_OPEN and len(taken) < most:
                account = taken[0].account if taken else source.choice(self.maker.accounts)
                taken.append(self.maker.make(len(self.filings), account))
                self.filings.append(taken[-1])
                self._allowance -= 1
                self.open += 1
            return taken

    def put_back(self, filing: Filing, seconds: float) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), filing))

    def finished(self) -> None:
        with self._lock:
            self.open -= 1

    def wait_until_finished(self, patience: float) -> bool:
        """No new filings; true when each came to its end, false when for so long none did."""
        self.is_producing = False
        return wait_while_fewer(lambda: self.open, patience)


def prepare(door: Door, passwords: dict[str, str], maker: MessageMaker) -> dict[str, list[Source]]:
    """Makes the mailboxes of the filers' accounts, and what parts are taken of."""
    sources: dict[str, list[Source]] = {}
    for index, (address, password) in enumerate(passwords.items()):
        session = IMAPSession(door.port, {"address": address, "password": password},
                              tls=client_tls() if door.has_tls else None)
        for mailbox in (*MAILBOXES, PARTS):
            session.ok(f'CREATE "{mailbox}"')
        sources[address] = []
        # One that comes with the page it stands on, and one that is read by itself.
        for number, octets in ((2 * index, 3_000), (2 * index + 1, 300_000)):
            message = maker.make(number, address, address).octets
            while len(message) < octets:
                message += message
            tag = session.send_pieces([(f'APPEND "{PARTS}" '.encode(), message), (b"", None)])
            status, text = session.completion(tag)
            found = re.search(r"\[APPENDUID (\d+) (\d+)\]", text)
            if status != "OK" or not found:
                raise Lost(f"APPEND: {status} {text}")
            sources[address].append(Source(int(found[1]), int(found[2]), message))
        session.logout()
    return sources


class Refused(Exception):
    """A command that is no step was answered with NO; the text says which."""


@dataclasses.dataclass(slots=True)
class Visit:
    """One session of a filer."""

    session: IMAPSession
    record: ConnectionRecord
    # Literals are sent without waiting.
    is_pipelined: bool
    selected: str = ""


class Filer(threading.Thread):
    """One session after the other, until stopped."""

    def __init__(self, index: int, seed: int, board: FilingBoard, journal: Journal, doors: list[Door],
                 passwords: dict[str, str]) -> None:
        super().__init__(daemon=True, name=f"filer {index}")
        self.random = random.Random(f"{seed} filer {index}")
        self.board, self.journal, self.doors, self.passwords = board, journal, doors, passwords
        self.tls = client_tls()
        self.is_stopping = False
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.is_stopping:
                if filings := self.board.take(self.random):
                    self.visit(filings)
                else:
                    time.sleep(0.02)
        except BaseException as failure:
            # A filer that fails would look like a filing that nobody knows of: the harness says what it was.
            self.failure = failure
            raise

    # ---- A session

    def visit(self, filings: list[Filing]) -> None:
        door = self.random.choice(self.doors)
        is_cut = self.random.random() < 0.75
        record = self.journal.connection(door.name, door.front, "cutter" if is_cut else "direct")
        account = filings[0].account
        session = None
        begun = {filing.number: (filing.index, len(filing.events)) for filing in filings}
        try:
            session = IMAPSession(
                door.cut_port if is_cut else door.port, {"address": account, "password": self.passwords[account]},
                timeout=self.random.choice(PATIENCE), tls=self.tls if door.has_tls or door.starts_tls else None,
                starts_tls=door.starts_tls)
            self.work(Visit(session, record, self.random.random() < 0.5), filings)
            if self.random.random() < 0.12:
                self.leave(session)
            else:
                session.logout()
        except Lost as loss:
            for filing in filings:
                if filing.step and begun[filing.number] == (filing.index, len(filing.events)):
                    self.note(filing, record, f"lost before it was sent: {loss}")
            if session:
                self.leave(session)
        for filing in filings:
            if filing.step is None:
                self.board.finished()
                continue
            # The same step again after some time; the next one at once.
            filing.waits = filing.waits + 1 if begun[filing.number][0] == filing.index else 0
            pause = min(5.0, 0.15 * 2 ** min(filing.waits, 6)) if filing.waits else 0
            self.board.put_back(filing, pause * self.random.uniform(0.5, 1.5))

    def leave(self, session: IMAPSession) -> None:
        """By RST, or as a program ends that does not care."""
        if self.random.random() < 0.5:
            session.reset()
        else:
            session.close()

    def note(self, filing: Filing, record: ConnectionRecord, text: str) -> None:
        filing.events.append((time.monotonic() - self.journal.started, record.number, text))

    def work(self, visit: Visit, filings: list[Filing]) -> None:
        beginning = [filing for filing in filings if filing.step and filing.step.kind is Kind.APPEND]
        if visit.is_pipelined and len(beginning) > 1 and self.random.random() < 0.5:
            self.stream(visit, beginning)
        for filing in filings:
            while filing.step:
                index = filing.index
                try:
                    self.take_step(visit, filing)
                except Refused as refusal:
                    self.note(filing, visit.record, str(refusal))
                if index == filing.index and self.random.random() < 0.4:
                    # Told to come again, on the same connection: it need not take the first one back.
                    time.sleep(self.random.uniform(0, 0.5))
                elif index == filing.index or self.random.random() < 0.3:
                    break

    # ---- A step

    def stream(self, visit: Visit, filings: list[Filing]) -> None:
        """All commands before any answer is read."""
        tags = []
        for filing in filings:
            self.tried(visit, filing, "all in one stream")
        try:
            for filing in filings:
                filing.doubtful += 1
                tags.append(visit.session.send_pieces(self.board.maker.command(filing)))
            for tag, filing in zip(tags, list(filings)):
                self.learn(visit, filing, tag)
                filings.remove(filing)
        except Lost as loss:
            for filing in filings:
                self.note(filing, visit.record, f"lost, sent: {loss}")
            raise

    def take_step(self, visit: Visit, filing: Filing) -> None:
        step = filing.step
        assert step
        if step.kind is not Kind.APPEND:
            self.select(visit, filing.place)
            if filing.uids is None and not self.find_uids(visit, filing):
                return
        pieces = self.board.maker.command(filing)
        self.tried(visit, filing, "LITERAL+" if visit.is_pipelined else "")
        is_sent = False
        try:
            if visit.is_pipelined:
                is_sent = True
                filing.doubtful += 1
                tag = visit.session.send_pieces(pieces)
            else:
                tag, last, refusal = visit.session.begin_pieces(pieces)
                if refusal:
                    return self.take_answer(visit, filing, *refusal, [], is_sent)
                is_sent = True
                filing.doubtful += 1
                visit.session.send(last)
            if self.random.random() < UNREAD:
                visit.session.is_answered(self.random.choice([0, 0.01, 2]))
                raise Lost("of its own will, without reading the answer")
            self.learn(visit, filing, tag)
        except Lost as loss:
            self.note(filing, visit.record, f"lost{', sent' if is_sent else ''}: {loss}")
            raise

    def tried(self, visit: Visit, filing: Filing, how: str) -> None:
        filing.tries += 1
        if filing.step and filing.doubtful:
            filing.repetitions[filing.step.kind.value] += 1
        words = [f"{filing.step} by {visit.record.door} ({visit.record.way})", how,
                 f"uids {filing.uids} of {filing.place}" if filing.place else ""]
        self.note(filing, visit.record, ", ".join(word for word in words if word))

    def learn(self, visit: Visit, filing: Filing, tag: str) -> None:
        untagged: list[bytes] = []
        status, text = visit.session.completion(tag, untagged)
        self.take_answer(visit, filing, status, text, untagged, True)

    def take_answer(self, visit: Visit, filing: Filing, status: str, text: str, untagged: list[bytes],
                    is_sent: bool) -> None:
        told = [line.decode(errors="replace") for line in untagged if line.startswith(b"* OK [")]
        self.note(filing, visit.record, " | ".join([*told, f"{status} {text}"]))
        if status == "OK":
            filing.done(uids_of([text, *told]))
        elif status == "NO" and not text.startswith(UNKNOWN):
            # This try has done nothing.
            filing.doubtful -= is_sent
            filing.refused(f"{status} {text}")
        elif status != "NO":
            filing.wrong.append(f"{filing.step}: {status} {text}")
            filing.give_up()

    def select(self, visit: Visit, mailbox: str) -> None:
        if visit.selected == mailbox:
            return
        status, text = visit.session.completion(visit.session.send_command(f'SELECT "{mailbox}"'), [])
        if status != "OK":
            visit.selected = ""
            raise Refused(f"SELECT: {status} {text}")
        visit.selected = mailbox

    def find_uids(self, visit: Visit, filing: Filing) -> bool:
        """Looks for the messages whose uids no answer told; false when one is not there once."""
        uids = []
        for number in filing.messages:
            field, value = FIRST_FIELD.decode().split(":")[0], f"{self.board.maker.maker.seed} {number}"
            untagged: list[bytes] = []
            tag = visit.session.send_command(f'UID SEARCH HEADER {field} "{value}"')
            status, text = visit.session.completion(tag, untagged)
            if status != "OK":
                raise Refused(f"UID SEARCH: {status} {text}")
            found = [int(word) for line in untagged if line.startswith(b"* SEARCH") for word in line.split()[2:]]
            if len(found) != 1:
                filing.wrong.append(f"message {number} is in {filing.place} {len(found)} times")
                self.note(filing, visit.record, filing.wrong[-1])
                filing.give_up()
                return False
            uids += found
        filing.uids = uids
        return True


def uids_of(texts: list[str]) -> list[int] | None:
    """The uids that APPENDUID or COPYUID tells (RFC 4315, 3); None when there is neither."""
    for text in texts:
        if found := re.search(r"\[(?:APPENDUID \d+|COPYUID \d+ [\d:,]+) ([\d:,]+)\]", text):
            ranges = [[int(number) for number in part.split(":")] for part in found[1].split(",")]
            return [uid for part in ranges for uid in range(part[0], part[-1] + 1)]
    return None
