"""One command after another, by chance."""

import argparse
import multiprocessing
import os
import pathlib
import random
import sys
import time

from .mailboxes import MailboxCommands
from .messages import MessageCommands
from .searches import SearchCommands
from .values import Wrong

DESCRIPTION = """\
Random IMAP commands from several sessions of one account, and beside them a small model of IMAP: after each command the
server must have said what the model says.

    imap_model.py --steps 100000                against $MARTLET_HOME, an account of its own
    imap_model.py --steps 1000 --seed 7         the same commands again
    imap_model.py --worlds 2                    so many accounts side by side, each in a process of its own

A step is a command and its answer. The model knows what is in the mailboxes; of each session it knows what the client was
told, and that must be true as far as the client may know it, and all of it after NOOP. One of the sessions uses QRESYNC
(RFC 7162) and keeps what it knows of mailboxes that it leaves: when it comes back, what it is told must complete it.
Another one uses UIDONLY (RFC 9586), and that one too when the seed is odd: it says no message's number, and must be told
none.
"""


class Commands(MessageCommands, SearchCommands, MailboxCommands):
    """All commands there are, in the proportion in which they come."""

    def step(self) -> None:
        session = self.random.choice(self.sessions)
        if session.mailbox is None:
            commands = [self.select] * 6 + [self.append, self.create, self.delete, self.rename, self.status, self.list]
        else:
            commands = (
                [self.append] * 5 + [self.catenate] * 2 + [self.store] * 8 + [self.fetch] * 6 + [self.copy] * 3
                + [self.expunge] * 3 + [self.search] * 3 + [self.settle] * 4
                + [self.select, self.leave, self.status, self.list, self.create, self.delete, self.rename])
        self.random.choice(commands)(session)


def run_world(home: pathlib.Path, seed: int, steps: int, sessions: int, progress: bool) -> int:
    """Returns how many steps were taken; what goes wrong is raised, with the last commands."""
    world = Commands(home, seed, sessions)
    began = told = time.monotonic()
    try:
        while world.steps < steps:
            world.step()
            if progress and time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"seed {seed}: {world.steps} steps, {world.steps / (told - began):.0f} a second", file=sys.stderr)
        for session in world.sessions:
            world.settle(session)
    except Exception as error:
        last = "\n  ".join(world.recent)
        raise Wrong(f"seed {seed}, step {world.steps}: {error}\nthe last commands, by session:\n  {last}") from error
    world.close()
    return world.steps


def main() -> None:
    """Runs worlds side by side, and says whether the server said what the model says."""
    parser = argparse.ArgumentParser(description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000, help="in all worlds together")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31),
                        help="of the first account; the others have those that follow it")
    parser.add_argument("--sessions", type=int, default=4, help="of each account")
    parser.add_argument("--worlds", type=int, default=1, help="accounts, each in a process of its own")
    parser.add_argument("--home", type=pathlib.Path, default=os.environ.get("MARTLET_HOME"),
                        help="of the running system; default $MARTLET_HOME")
    options = parser.parse_args()
    if not options.home:
        raise SystemExit("MARTLET_HOME names no running system: use --home, or deploy/run --detach")
    print(f"seed {options.seed}", file=sys.stderr)
    share = -(-options.steps // options.worlds)
    work = [(pathlib.Path(options.home), options.seed + number, share, options.sessions, True)
            for number in range(options.worlds)]
    try:
        with multiprocessing.Pool(options.worlds) as pool:
            steps = sum(pool.starmap(run_world, work))
    except Wrong as wrong:
        raise SystemExit(str(wrong))
    print(f"{steps} steps from {options.sessions} sessions in each of {options.worlds} accounts: as the model says")
