#!/usr/bin/env python3
"""Martlet beside Dovecot, as an IMAP client sees them: the same commands on the same mailbox, in turn.

    imap_side_by_side.py                       10,000 messages of 4 KiB, three rounds
    imap_side_by_side.py --messages 100000 --rounds 1
    imap_side_by_side.py --only SEARCH         what has this in its name
    imap_side_by_side.py --json                figures for a program

A ratio above 1 says that Martlet took less time. Dovecot's indexes are warm, where "cold" is not said.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time

from servers import Dovecot, Martlet
from wire import Wire

WORDS = ("harbour", "invoice", "meeting", "lantern", "quarter", "teapot", "railway", "garden", "winter", "copper")
RARE = "zymurgy"


def message(number: int, octets: int, series: int = 0) -> bytes:
    """A message of about so many octets; each has a subject of few words, one in a thousand has a rare word in its body.
    Those of two series differ."""
    choice = random.Random(number)
    subject = f"{'Re: ' if number % 3 else ''}{choice.choice(WORDS)} {number % 500}"
    parent = f"References: <{number - number % 7}@bench.test>\r\n" if number % 7 else ""
    head = (
        f"From: Sender {number % 97} <sender{number % 97}@bench.test>\r\nTo: Reader <reader@example.test>\r\n"
        f"Subject: {subject}\r\nDate: Mon, {1 + number % 28} Jan 2024 {number % 24:02}:{number % 60:02}:00 +0000\r\n"
        f"Message-ID: <{number}@bench.test>\r\nX-Series: {series}\r\n{parent}MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n")
    lines = []
    size = len(head)
    if number % 1000 == 7:
        lines.append(f"a {RARE} line")
    while size < octets:
        line = " ".join(choice.choice(WORDS) for _ in range(9))
        lines.append(line)
        size += len(line) + 2
    return (head + "\r\n".join(lines) + "\r\n").encode()


class Bench:
    """One server with one mailbox full of messages."""

    def __init__(self, server, options) -> None:
        self.server = server
        self.options = options
        self.series = 0
        server.add_accounts(["reader"])
        server.fill("reader", (message(number, options.octets) for number in range(options.messages)))
        with self.session() as wire:
            wire.run("SELECT INBOX")
            wire.run("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)")

    def session(self, scram: bool = False) -> Wire:
        return Wire(self.server.imaps, self.server.user("reader"), self.server.password, scram=scram)

    def selected(self) -> Wire:
        wire = self.session()
        wire.run("SELECT INBOX")
        return wire

    def timed(self, *commands: str) -> float:
        """In a session that has the mailbox selected."""
        with self.selected() as wire:
            began = time.perf_counter()
            for command in commands:
                wire.run(command)
            return time.perf_counter() - began

    # What is measured; each returns seconds.

    def login(self, scram: bool) -> float:
        """With all that comes before: connection and TLS."""
        began = time.perf_counter()
        for _ in range(20):
            self.session(scram).__exit__()
        return time.perf_counter() - began

    def select(self) -> float:
        with self.session() as wire:
            began = time.perf_counter()
            for _ in range(5):
                wire.run("SELECT INBOX")
            return time.perf_counter() - began

    def select_changed(self) -> float:
        """Each time after a flag was changed in another session."""
        with self.session() as wire, self.selected() as other:
            seconds = 0.0
            for number in range(6):
                other.run(f"STORE {self.options.messages} {'-' if number % 2 else '+'}FLAGS.SILENT (\\Answered)")
                began = time.perf_counter()
                wire.run("SELECT INBOX")
                seconds += time.perf_counter() - began
            return seconds

    def append(self, pipelined: bool, sessions: int = 1) -> float:
        count = self.options.appends
        # The same octets once more might be a repetition.
        self.series += 1
        with self.session() as wire:
            wire.run("CREATE appended")
        messages = [message(number, self.options.octets, self.series) for number in range(count)]
        wires = [self.session() for _ in range(sessions)]
        threads = [
            threading.Thread(target=wire.append, args=("appended", messages[number::sessions], pipelined))
            for number, wire in enumerate(wires)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        for wire in wires:
            wire.__exit__()
        with self.session() as wire:
            found = wire.run("STATUS appended (MESSAGES)")
            if f"MESSAGES {count}".encode() not in found:
                raise RuntimeError(f"{self.server.name} has not stored {count} messages: {found!r}")
            wire.run("DELETE appended")
        return seconds

    def cold(self) -> float:
        self.server.forget("reader")
        return self.timed("FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)")

    def random_bodies(self) -> float:
        choice = random.Random(1)
        numbers = [choice.randint(1, self.options.messages) for _ in range(500)]
        return self.timed(*(f"FETCH {number} BODY.PEEK[]" for number in numbers))

    def store(self) -> float:
        seconds = self.timed("STORE 1:* +FLAGS.SILENT (\\Flagged)")
        self.timed("STORE 1:* -FLAGS.SILENT (\\Flagged)")
        return seconds

    def copy(self) -> float:
        with self.selected() as wire:
            wire.run("CREATE copied")
            began = time.perf_counter()
            wire.run(f"COPY 1:{min(1000, self.options.messages)} copied")
            seconds = time.perf_counter() - began
            wire.run("DELETE copied")
            return seconds

    def expunge(self) -> float:
        count = min(5000, self.options.messages)
        with self.selected() as wire:
            wire.run("CREATE doomed")
            wire.run(f"COPY 1:{count} doomed")
            wire.run("SELECT doomed")
            wire.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            began = time.perf_counter()
            wire.run("EXPUNGE")
            seconds = time.perf_counter() - began
            wire.run("UNSELECT")
            wire.run("DELETE doomed")
            return seconds

    def change_seen(self) -> float:
        """From a STORE's end in one session to its news in another that idles; the median of twenty."""
        with self.selected() as idle, self.selected() as active:
            tag = idle.tag()
            idle.send(f"{tag} IDLE\r\n".encode())
            idle.read_until(b"+ ")
            idle.read_until(b"\r\n")
            times = []
            for number in range(20):
                sign = "-" if number % 2 else "+"
                began = time.perf_counter()
                active.run(f"STORE {self.options.messages} {sign}FLAGS.SILENT (\\Answered)")
                idle.read_until(b")\r\n")
                times.append(time.perf_counter() - began)
            idle.send(b"DONE\r\n")
            idle.finish(tag)
            return statistics.median(times)


# name, goal as a ratio to Dovecot, what is measured
MEASURES = [
    ("append pipelined", 10, lambda bench: bench.append(pipelined=True)),
    ("append one by one", 5, lambda bench: bench.append(pipelined=False)),
    ("append over ten sessions", 5, lambda bench: bench.append(pipelined=False, sessions=10)),
    ("LOGIN", 5, lambda bench: bench.login(scram=False)),
    ("AUTHENTICATE SCRAM", 5, lambda bench: bench.login(scram=True)),
    ("SELECT", 5, Bench.select),
    ("SELECT after a change", 5, Bench.select_changed),
    ("FETCH FLAGS of all", 1, lambda bench: bench.timed("FETCH 1:* (FLAGS)")),
    ("FETCH ENVELOPE ... cold", 10, Bench.cold),
    ("FETCH ENVELOPE ... warm", 4,
     lambda bench: bench.timed("FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)")),
    ("FETCH header fields", 1,
     lambda bench: bench.timed("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")),
    ("FETCH all bodies", 1, lambda bench: bench.timed("FETCH 1:* (BODY.PEEK[])")),
    ("FETCH one random body", 1, Bench.random_bodies),
    ("SEARCH SUBJECT", 2, lambda bench: bench.timed("SEARCH SUBJECT teapot")),
    ("SEARCH TEXT", 20, lambda bench: bench.timed(f"SEARCH TEXT {RARE}")),
    ("SORT", 1, lambda bench: bench.timed("SORT (SUBJECT) UTF-8 ALL")),
    ("THREAD", 3, lambda bench: bench.timed("THREAD REFERENCES UTF-8 ALL")),
    ("STORE on all", 3, Bench.store),
    ("COPY of 1,000", 3, Bench.copy),
    ("EXPUNGE of 5,000", 3, Bench.expunge),
    ("change seen while idle", None, Bench.change_seen),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--appends", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="measure what has this in its name")
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    results = []
    with Dovecot() as peer, Martlet(28700, build=not options.no_build) as martlet:
        benches = [Bench(peer, options), Bench(martlet, options)]
        for name, goal, measure in MEASURES:
            if options.only.lower() not in name.lower():
                continue
            rounds = []
            try:
                for number in range(options.rounds):
                    # Who goes first has the caches as the other left them, so they take turns in that, too.
                    order = benches if number % 2 == 0 else benches[::-1]
                    rounds.append({bench.server.name: measure(bench) for bench in order})
            except RuntimeError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            theirs, ours = ([one[bench.server.name] for one in rounds] for bench in benches)
            ratios = [their / our for their, our in zip(theirs, ours)]
            results.append({
                "name": name, "goal": goal, "dovecot_ms": [round(1000 * value, 2) for value in theirs],
                "martlet_ms": [round(1000 * value, 2) for value in ours], "ratio": round(statistics.median(ratios), 2)})
            if not options.json:
                print(f"{name:26} Dovecot {1000 * statistics.median(theirs):9.1f} ms   Martlet"
                      f" {1000 * statistics.median(ours):9.1f} ms   ratio {statistics.median(ratios):6.2f}"
                      + (f"   (goal {goal})" if goal else "   (goal 10 ms)"), flush=True)
    if options.json:
        json.dump({"messages": options.messages, "octets": options.octets, "measures": results}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
