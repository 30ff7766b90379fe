#!/usr/bin/env python3
"""A client comes back to a large mailbox of which little has changed: QRESYNC (RFC 7162), Martlet and Dovecot in turn.

    resynchronisation.py                   100,000 messages, 100 changes, five rounds
    resynchronisation.py --messages 10000 --rounds 2
    resynchronisation.py --json            figures for a program

The client knows the mailbox up to a modification sequence. Meanwhile another session changes flags, removes messages
and puts some in. Then the client logs in, says ENABLE QRESYNC and SELECT with what it knows, and fetches the envelopes
of what is new. What it knows then is compared with the mailbox. Beside it stands what a client without QRESYNC does:
SELECT and FETCH of all flags. Octets are IMAP's, without TLS, after the login; figures are medians of the rounds.
"""

import argparse
import json
import random
import re
import statistics
import sys
import time

from servers import Dovecot, Martlet
from wire import Wire

MESSAGE = (
    "From: Bench <bench@bench.test>\r\nTo: Reader <reader@example.test>\r\nSubject: number {number}\r\n"
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <{number}@resync.bench.test>\r\n\r\n{line}\r\n")


def message(number: int) -> bytes:
    return MESSAGE.format(number=number, line="x" * 1500).encode()


def numbers(text: str):
    for part in text.split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)


class Known:
    """What a client keeps of a mailbox: flags by uid, and up to where that is so."""

    def __init__(self) -> None:
        self.flags: dict[int, frozenset[str]] = {}
        self.validity = self.modseq = self.next = 0

    def take_in(self, answer: bytes) -> None:
        for line in answer.decode(errors="replace").split("\r\n"):
            if found := re.match(r"\* VANISHED (?:\(EARLIER\) )?([\d,:]+)$", line):
                for uid in numbers(found[1]):
                    self.flags.pop(uid, None)
            elif " FETCH (" in line:
                uid, flags = re.search(r"UID (\d+)", line), re.search(r"FLAGS \(([^)]*)\)", line)
                if uid and flags:
                    self.flags[int(uid[1])] = frozenset(flags[1].split()) - {"\\Recent"}
            elif found := re.match(r"\* OK \[(UIDVALIDITY|HIGHESTMODSEQ|UIDNEXT) (\d+)\]", line):
                name = {"UIDVALIDITY": "validity", "HIGHESTMODSEQ": "modseq", "UIDNEXT": "next"}[found[1]]
                setattr(self, name, int(found[2]))


class Bench:
    def __init__(self, server, options) -> None:
        self.server, self.options = server, options
        self.random = random.Random(1)
        self.number = 0
        server.add_accounts(["reader"])
        with self.session() as wire:
            seeds = min(1000, options.messages)
            wire.append("INBOX", [self.next_message() for _ in range(seeds)], pipelined=True)
            wire.run("SELECT INBOX")
            there = seeds
            while there < options.messages:
                count = min(there, options.messages - there, 5000)
                wire.run(f"COPY 1:{count} INBOX")
                there += count
        self.known = Known()
        with self.session() as wire:
            wire.run("ENABLE QRESYNC")
            self.known.take_in(wire.run("SELECT INBOX"))
            self.known.take_in(wire.run("UID FETCH 1:* (FLAGS)"))
        if len(self.known.flags) != options.messages:
            raise SystemExit(f"{server.name} has {len(self.known.flags)} messages of {options.messages}")

    def next_message(self) -> bytes:
        self.number += 1
        return message(self.number)

    def session(self) -> Wire:
        return Wire(self.server.imaps, self.server.user("reader"), self.server.password)

    def change(self) -> None:
        """Six in ten changes are of flags, two messages go and two come."""
        changes = self.options.changes
        uids = self.random.sample(sorted(self.known.flags), min(len(self.known.flags), changes * 8 // 10))
        doomed, marked = uids[:changes * 2 // 10], uids[changes * 2 // 10:]
        with self.session() as wire:
            wire.run("SELECT INBOX")
            for uid in marked:
                sign, flag = self.random.choice("+-"), self.random.choice(["\\Seen", "\\Flagged", "\\Answered"])
                wire.run(f"UID STORE {uid} {sign}FLAGS.SILENT ({flag})")
            if doomed:
                names = ",".join(map(str, doomed))
                wire.run(f"UID STORE {names} +FLAGS.SILENT (\\Deleted)")
                wire.run(f"UID EXPUNGE {names}")
            wire.append("INBOX", [self.next_message() for _ in range(changes - len(uids))], pipelined=True)

    def measured(self, known: Known, *commands: str) -> dict:
        """The commands of a client that has logged in, one after the other: each is a round trip. What it is told it
        takes in afterwards, since that is not the server's time."""
        with self.session() as wire:
            sent, received, began = wire.sent, wire.received, time.perf_counter()
            answers = [wire.run(command) for command in commands]
            figures = {"milliseconds": 1000 * (time.perf_counter() - began), "round_trips": len(commands),
                       "octets_sent": wire.sent - sent, "octets_received": wire.received - received}
        for answer in answers:
            known.take_in(answer)
        return figures

    def resynchronise(self) -> dict:
        known = self.known
        return self.measured(
            known, "ENABLE QRESYNC", f"SELECT INBOX (QRESYNC ({known.validity} {known.modseq}))",
            f"UID FETCH {known.next}:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")

    def round(self) -> dict:
        self.change()
        quick = self.resynchronise()
        truth = Known()
        whole = self.measured(truth, "SELECT INBOX", "UID FETCH 1:* (FLAGS)")
        if self.known.flags != truth.flags:
            wrong = {uid for uid in self.known.flags.keys() | truth.flags.keys()
                     if self.known.flags.get(uid) != truth.flags.get(uid)}
            raise SystemExit(f"{self.server.name} left the client with wrong news of {sorted(wrong)[:20]}")
        return {"quick": quick, "whole": whole}


def summary(rounds: list[dict]) -> dict:
    return {
        way: {name: round(statistics.median(one[way][name] for one in rounds), 2) for name in rounds[0][way]}
        for way in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    with Dovecot() as peer, Martlet(28700, build=not options.no_build) as martlet:
        benches = [Bench(peer, options), Bench(martlet, options)]
        rounds: dict[str, list[dict]] = {bench.server.name: [] for bench in benches}
        for number in range(options.rounds):
            for bench in benches if number % 2 == 0 else benches[::-1]:
                rounds[bench.server.name].append(bench.round())
    results = {name: summary(one) for name, one in rounds.items()}
    if options.json:
        json.dump({"messages": options.messages, "changes": options.changes, "servers": results}, sys.stdout, indent=2)
        print()
        return
    for way, title in (("quick", "QRESYNC"), ("whole", "all flags")):
        for name, figures in results.items():
            one = figures[way]
            print(f"{title:10} {name:8} {one['milliseconds']:9.2f} ms   {one['round_trips']:.0f} round trips"
                  f"   {one['octets_sent']:.0f} octets sent   {one['octets_received']:.0f} received")
        theirs, ours = (results[name][way]["milliseconds"] for name in ("Dovecot", "Martlet"))
        print(f"{title:10} ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
