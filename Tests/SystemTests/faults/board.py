"""Which message is to be sent next: new ones at a rate, and those whose outcome is not known, again and again."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable

from .journal import Delivery, Entry, Journal, Second
from .messages import Message, MessageMaker

# New messages wait when so many are in doubt: the senders' own patience is not what is measured.
MOST_OPEN = 3_000

# Between two looks at how many are open.
LOOK_SECONDS = 0.1


def wait_while_fewer(count_open: Callable[[], int], patience: float) -> bool:
    """Waits until nothing is open; false when for so many seconds nothing more was finished. They are counted in looks:
    while the machine pauses nobody can finish anything."""
    fewest, looks_left = count_open(), patience / LOOK_SECONDS
    while fewest and looks_left > 0:
        time.sleep(LOOK_SECONDS)
        looks_left -= 1
        if (now_open := count_open()) < fewest:
            fewest, looks_left = now_open, patience / LOOK_SECONDS
    return fewest == 0


class Board:
    """Shared by all senders."""

    def __init__(self, journal: Journal, maker: MessageMaker, accounts: list[str], doors: dict[str, float],
                 rate: float) -> None:
        self.journal, self.maker, self.accounts, self.rate = journal, maker, accounts, rate
        self.doors = doors
        self._lock = threading.Lock()
        self._due: dict[str, list[tuple[float, int, Entry]]] = {door: [] for door in doors}
        self._order = itertools.count()
        self._started = time.monotonic()
        self._allowance = 0.0
        self._counted_at = self._started
        self._next_number = 1
        self.is_producing = True
        self.open = 0

    def take(self, random_source: random.Random) -> tuple[str, list[Entry]] | None:
        """A door and what is to be sent through it by one session; None when there is nothing now."""
        with self._lock:
            now = time.monotonic()
            ripe = [door for door, heap in self._due.items() if heap and heap[0][0] <= now]
            if ripe:
                door = random_source.choice(ripe)
                heap, entries = self._due[door], []
                while heap and heap[0][0] <= now and len(entries) < random_source.randrange(1, 6):
                    entries.append(heapq.heappop(heap)[2])
                return door, entries
            # A pause is not made up for: at most a second's messages come at once.
            self._allowance = min(self.rate, self._allowance + (now - self._counted_at) * self.rate)
            self._counted_at = now
            if not self.is_producing or self._allowance < 1 or self.open >= MOST_OPEN:
                return None
            door = random_source.choices(list(self.doors), list(self.doors.values()))[0]
            count = min(int(self._allowance), random_source.randrange(1, 7))
            self._allowance -= count
            self.open += count
            numbers = range(self._next_number, self._next_number + count)
            self._next_number += count
        # Who has to log in does it once for all of them.
        user = self.accounts[numbers[0] % len(self.accounts)]
        entries = [self._make(number, door, user) for number in numbers]
        for entry in entries:
            self.journal.add(entry)
            self.journal.begin_submission(entry)
        return door, entries

    def put_back(self, entry: Entry, seconds: float) -> None:
        """To be tried (again) after some time."""
        with self._lock:
            heapq.heappush(self._due[entry.door], (time.monotonic() + seconds, next(self._order), entry))

    def finished(self, entry: Entry) -> None:
        with self._lock:
            self.open -= 1

    def wait_until_finished(self, patience: float) -> bool:
        """No new messages; true when every sender came to know, false when for so long none did."""
        self.is_producing = False
        return wait_while_fewer(lambda: self.open, patience)

    # ---- Messages

    def message(self, entry: Entry) -> Message:
        """The octets, made again."""
        return self.maker.make(entry.number, entry.origin.split("|")[0], next(iter(entry.deliveries)))

    def _make(self, number: int, door: str, user: str) -> Entry:
        source = random.Random(f"{self.maker.seed} entry {number}")
        is_append = door.startswith("imap")
        if is_append:
            names = [user]
            flags = source.choice(["", "\\Seen", "\\Flagged $Numbered"])
            origin = f"{names[0]}|{flags}|{source.randrange(1, 29):02d}-Nov-2026 12:00:00 +0000"
        else:
            count = source.choice([2, 2, 3]) if "lmtp" in door else source.choices([1, 2, 3], [7, 2, 1])[0]
            names = source.sample(self.accounts, count)
            origin = user if "submission" in door else f"s{number % 7}@elsewhere.test"
        message = self.maker.make(number, origin.split("|")[0], names[0])
        second = source.choices(list(Second), [84, 8, 8])[0]
        return Entry(number, door, origin, {name: Delivery() for name in names}, message.digest, len(message.octets),
                     second)
