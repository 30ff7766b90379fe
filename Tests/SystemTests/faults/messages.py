"""Numbered messages that can be made again from their number: a journal of hundreds of thousands keeps no octets."""

import dataclasses
import hashlib
import random

# The first field of each message; what stands before it in a mailbox was put there on the way.
FIRST_FIELD = b"X-Fault-Message: "

# Octets of the body and how often: most are small, few do not stay in an ingress's memory.
SIZES = [(500, 30), (2_000, 30), (4_096, 30), (20_000, 6), (70_000, 3), (400_000, 1)]


@dataclasses.dataclass(frozen=True)
class Message:
    """What identifies a message and its octets."""

    number: int
    octets: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.octets).digest()


class MessageMaker:
    """Makes the messages of one run: the same seed and number give the same octets."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # What a body is cut from: lines of every kind that transparency has to bring through.
        source = random.Random(f"bodies {seed}")
        lines = []
        for _ in range(12_000):
            text = "".join(source.choices("abcdefghijklmnopqrstuvwxyz .,-", k=source.randrange(0, 76)))
            lines.append(source.choice(["", "", "", ".", "..", "From "]) + text)
        self._lines = lines

    def message_id(self, number: int) -> str:
        return f"<{number}.{self.seed}@faults.example.test>"

    def make(self, number: int, reverse_path: str, to: str, most: int | None = None) -> Message:
        """Of about `most` octets at most."""
        source = random.Random(f"{self.seed} message {number}")
        size = source.choices([size for size, _ in SIZES], [weight for _, weight in SIZES])[0]
        size = min(size, most or size)
        head = (
            f"{FIRST_FIELD.decode()}{self.seed} {number}\r\n"
            f"From: <{reverse_path}>\r\nTo: <{to}>\r\nSubject: numbered {number}\r\n"
            f"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: {self.message_id(number)}\r\n\r\n")
        lines, octets = [], 0
        position = source.randrange(len(self._lines))
        while octets < size:
            lines.append(self._lines[position])
            octets += len(self._lines[position]) + 2
            position = (position + 1) % len(self._lines)
        return Message(number, (head + "\r\n".join(lines) + "\r\n").encode())


def number_of(octets: bytes) -> tuple[int, int, int] | None:
    """Seed, number and the offset of the first field of ours in a message as it was stored."""
    header = octets[:octets.find(b"\r\n\r\n") + 2]
    start = 0 if header.startswith(FIRST_FIELD) else header.find(b"\r\n" + FIRST_FIELD) + 2
    if start == 1:
        return None
    try:
        seed, number = header[start + len(FIRST_FIELD):header.index(b"\r\n", start)].split()
        return int(seed), int(number), start
    except ValueError:
        return None
