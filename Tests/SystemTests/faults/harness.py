"""One run: a system, senders, faults, quiet, and the comparison."""

import argparse
import contextlib
import dataclasses
import pathlib
import random
import signal
import sys
import threading
import time

from . import audit, readers, report
from .board import Board
from .cutter import Cutter
from .filers import Filer, FilingBoard, prepare
from .filings import FilingMaker
from .imap import IMAPSession
from .journal import Journal
from .martlet import Martlet
from .messages import MessageMaker
from .peer import Peer, PeerStriker
from .schedule import WEIGHTS, make_schedule
from .senders import Door, Sender
from .strikes import Striker
from .wire import client_tls

SENDERS = 32
ACCOUNTS = 12
# Filers have accounts of their own: what is in these came by IMAP alone.
FILERS = 8
FILING_ACCOUNTS = 4

DESCRIPTION = """\
Sends numbered messages by every door to a system of its own while faults strike at random, repeats each until its
outcome is known, and compares afterwards every message with every mailbox: missing 0, doubled 0, altered 0.
Meanwhile others file messages over IMAP (APPEND, of several messages and of parts, REPLACE, MOVE, COPY) and repeat
each command until its outcome is known: each has happened once, and wholly."""

EPILOG = """\
exit status: 0 when nothing is wrong; 1 when something is, with the journal and the ledger of each wrong message.
The peer is only measured: its exit status is 0 when the run came to its end."""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fault_harness.py", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults strike (default 60)")
    parser.add_argument("--seed", type=int, help="replays the schedule of the run that printed it")
    parser.add_argument("--rate", type=float, default=60, help="new messages a second (default 60)")
    parser.add_argument("--filing-rate", type=float, default=4,
                        help="new filings a second, of some IMAP commands each; 0 for none (default 4)")
    parser.add_argument("--gap", type=float, default=2.5, help="mean seconds between two faults (default 2.5)")
    parser.add_argument("--replicas", default="smtp-ingress=3,content-processing=2,storage=2",
                        help="default %(default)s")
    parser.add_argument("--kinds", help=f"faults that strike, comma-separated: {','.join(WEIGHTS)}")
    parser.add_argument("--settle", type=float, default=60,
                        help="senders are given up at the end when for so many seconds none came to know (default 60)")
    parser.add_argument("--clock-service", default="smtp-ingress", help="whose clock jumps (default %(default)s)")
    parser.add_argument("--journal", type=pathlib.Path, help="writes every message's story to this file")
    parser.add_argument("--json", action="store_true", help="figures for a program on standard output")
    parser.add_argument("--schedule", action="store_true", help="prints the schedule of the seed and ends")
    parser.add_argument("--peer", choices=["postfix-dovecot"], help="the same against a peer: kills and cuts only")
    chosen = parser.parse_args(words)
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1, 1 << 31)
    if chosen.peer:
        # It promises nothing about a command that is repeated.
        chosen.filing_rate = 0
    known = PeerStriker.kinds if chosen.peer else Striker.kinds
    chosen.kinds = chosen.kinds.split(",") if chosen.kinds else list(known)
    if unknown := [kind for kind in chosen.kinds if kind not in known]:
        parser.error(f"no such kind of fault: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        chosen.replicas = {name: int(count) for name, count in
                           (item.split("=") for item in chosen.replicas.split(",") if item)}
    except ValueError:
        parser.error("--replicas: expected SERVICE=NUMBER,...")
    return chosen


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    # Whoever ends this process ends the system too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    schedule = make_schedule(options.seed, options.seconds, options.kinds, options.gap)
    if options.schedule:
        for strike in schedule:
            print(f"{strike.number:4}  {strike.at:9.3f} s  {strike.kind}")
        return 0
    # With --json the figures alone go to standard output.
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        print(f"seed {options.seed}, {len(schedule)} faults in {options.seconds:.0f} s", flush=True)
        with system_of(options) as system:
            page, stories = run(system, options, schedule)
        report.print_table(page)
        print("\n".join(stories))
        print(f"seed {options.seed}")
    if options.json:
        report.print_json(page)
    return 0 if options.peer or report.is_right(page) else 1


def system_of(options: argparse.Namespace):
    if options.peer:
        return Peer()
    return Martlet(options.replicas, any(kind.startswith("disk") for kind in options.kinds),
                   options.clock_service if "clock" in options.kinds else None)


def run(system, options: argparse.Namespace, schedule: list) -> tuple[dict, list[str]]:
    accounts = list(system.add_accounts(ACCOUNTS + FILING_ACCOUNTS).items())
    passwords, filing_passwords = dict(accounts[:ACCOUNTS]), dict(accounts[ACCOUNTS:])
    journal, maker, cutter = Journal(), MessageMaker(options.seed), Cutter()
    doors = {door.name: dataclasses.replace(door, cut_port=cutter.listen(door.port)) for door in system.doors()}
    make_mailboxes(system.audit_door(), passwords)
    sources = prepare(system.audit_door(), filing_passwords, maker) if options.filing_rate else {}
    filing_board = FilingBoard(FilingMaker(maker, sources), options.filing_rate)
    cutter.start()
    board = Board(journal, maker, list(passwords), {name: door.weight for name, door in doors.items()}, options.rate)
    senders = [Sender(index, options.seed, board, journal, doors, passwords, cutter) for index in range(SENDERS)]
    filing_doors = [door for door in doors.values() if door.protocol == "imap"]
    filers = [Filer(index, options.seed, filing_board, journal, filing_doors, filing_passwords)
              for index in range(FILERS if options.filing_rate else 0)]
    striker = (PeerStriker if options.peer else Striker)(system, journal, cutter)
    is_interrupted = threading.Event()
    started = time.monotonic()
    for worker in [*senders, *filers]:
        worker.start()
    try:
        striking = threading.Thread(target=striker.run, args=(schedule, started, is_interrupted.is_set), daemon=True)
        striking.start()
        watch(board, filing_board, journal, started, options.seconds, is_interrupted)
        board.is_producing = filing_board.is_producing = False
        striking.join(timeout=700)
        striker.calm()
        is_recovered = system.recover()
        if not board.wait_until_finished(options.settle):
            print(f"{board.open} messages are not known, and for {options.settle:.0f} s no other was", flush=True)
        if not filing_board.wait_until_finished(options.settle):
            print(f"{filing_board.open} filings are not known, and for {options.settle:.0f} s no other was",
                  flush=True)
    finally:
        for worker in [*senders, *filers]:
            worker.is_stopping = True
        for worker in [*senders, *filers]:
            worker.join(timeout=30)
        cutter.stop()
    for worker in [striker, *senders, *filers]:
        if worker.failure:
            raise RuntimeError(f"{worker} failed") from worker.failure
    seconds = time.monotonic() - started
    system.flush()
    print("comparing", flush=True)
    journal.judge_seconds()
    outcome = audit.compare(journal, options.seed, system.audit_door(), passwords, system.trace_fields)
    filings = filing_board.filings
    filing_outcome = audit.compare_filings(filings, filing_board.maker, system.audit_door(), filing_passwords)
    if options.journal:
        lines = [line for entry in journal.entries for line in journal.story(entry)]
        for filing in filings:
            lines += [f"filing {filing.number} of {filing.account}", *report.filing_story(filing)]
        options.journal.write_text("\n".join(lines) + "\n")
    page = report.figures(system, journal, striker, outcome, options.seed, seconds, is_recovered)
    page["filings"] = report.filing_figures(filings, filing_outcome)
    return page, [*report.stories(system, journal, outcome, maker.message_id, striker.log),
                  *report.filing_stories(system, filings, filing_outcome, maker.message_id)]


def make_mailboxes(door: Door, passwords: dict[str, str]) -> None:
    for address, password in passwords.items():
        session = IMAPSession(door.port, {"address": address, "password": password},
                              tls=client_tls() if door.has_tls else None)
        session.ok(f'CREATE "{readers.MAILBOX}"')
        session.logout()


def watch(board: Board, filing_board: FilingBoard, journal: Journal, started: float, seconds: float,
          is_interrupted: threading.Event) -> None:
    """Says every ten seconds how it goes, until the time is over."""
    said = started
    while (now := time.monotonic()) < started + seconds and not is_interrupted.is_set():
        if now - said >= 10:
            said = now
            print(f"{now - journal.started:9.3f} s  {len(journal.entries)} messages, {board.open} not known yet; "
                  f"{len(filing_board.filings)} filings, {filing_board.open} under way", flush=True)
        time.sleep(0.1)
