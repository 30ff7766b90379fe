"""Postfix + Dovecot under the same senders: kills and cut connections, for figures beside ours.

Nobody supervises the two master processes, so they are not killed; everything that they start is.
"""

import pathlib
import random
import signal
import subprocess
import sys
import time

from .processes import command_line, descendants_of
from .senders import Door
from .strikes import Skipped, Striker

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "Benchmarks" / "SideBySide"))

from postfix_dovecot import PostfixDovecot  # noqa: E402


class Peer(PostfixDovecot):
    """The peer as the side-by-side benchmark starts it."""

    trace_fields = (b"Return-Path", b"Received", b"Delivered-To", b"X-Original-To")

    def __init__(self) -> None:
        self.notes = ["the peer's two master processes are not killed: nobody would start them again"]
        self.clock = None
        self.disks: dict = {}

    def add_accounts(self, names: int) -> dict[str, str]:
        """Every address is there already."""
        return {f"f{number}@example.test": "benchmark" for number in range(names)}

    def doors(self) -> list[Door]:
        return [
            Door("smtp", self.port, "smtpd", weight=6),
            Door("lmtp", self.lmtp, "lmtp", protocol="lmtp", weight=2),
            Door("imap", self.imap, "imap", protocol="imap", needs_login=True, weight=2),
        ]

    def audit_door(self) -> Door:
        return next(door for door in self.doors() if door.name == "imap")

    def servants(self) -> dict[int, str]:
        """What the two masters have started, by process id."""
        masters = [self.dovecot.pid, int((self.home / "spool" / "pid" / "master.pid").read_text())]
        names = {pid: " ".join(command_line(pid)).split() for master in masters for pid in descendants_of(master)}
        return {pid: pathlib.Path(words[0]).name for pid, words in names.items() if words}

    def recover(self, seconds: float = 120) -> bool:
        return True

    def flush(self) -> None:
        """Waits until Postfix's queue is empty; what is deferred is tried at once."""
        configuration = str(self.home / "etc")
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            queue = subprocess.run(["postqueue", "-c", configuration, "-j"], capture_output=True, text=True, timeout=60)
            if queue.returncode == 0 and not queue.stdout.strip():
                return
            subprocess.run(["postqueue", "-c", configuration, "-f"], capture_output=True, timeout=60)
            time.sleep(3)
        self.notes.append("Postfix's queue did not become empty within 300 s")

    def ledger_counts(self) -> dict[str, int]:
        return {}

    def ledger_of(self, message_id: str) -> list[str]:
        return []


class PeerStriker(Striker):
    """Kills and cuts."""

    kinds = ["kill", "cut-reset", "cut-silence"]

    def kill(self, source: random.Random) -> str:
        draws = source.random(), source.random()
        servants = self.system.servants()
        names = sorted(set(servants.values()))
        if not names:
            raise Skipped("nothing runs")
        name = names[int(draws[0] * len(names))]
        pids = sorted(pid for pid, servant in servants.items() if servant == name)
        self._signal(pids[int(draws[1] * len(pids))], signal.SIGKILL)
        return name
