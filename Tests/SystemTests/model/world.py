"""An account: its sessions, the truth, and what the server may say at any time."""

import json
import os
import pathlib
import random
import re
import subprocess
import uuid

from .session import Session
from .values import Mailbox, check, flag_list, numbers


class World:
    """One account: its sessions and the truth."""

    def __init__(self, home: pathlib.Path, seed: int, sessions: int) -> None:
        self.random = random.Random(seed)
        connection = json.loads((home / "connection.json").read_text())["imaps"]
        self.login = {"address": f"m{uuid.uuid4().hex[:12]}@example.test", "password": uuid.uuid4().hex}
        self.operator(home, "account", "add", self.login["address"], "--password-stdin",
                      input=self.login["password"] + "\n")
        self.home = home
        self.sessions = [
            Session(
                number, connection, self.login, resynchronises=number == sessions - 1,
                uids_only=number == sessions - 2 or number == sessions - 1 and seed % 2 == 1)
            for number in range(sessions)]
        self.boxes = {name: Mailbox() for name in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive")}
        self.steps = 0
        self.recent: list[str] = []

    def operator(self, home: pathlib.Path, *words: str, **options) -> None:
        binary = os.environ.get(
            "MARTLET_COMMAND",
            str(pathlib.Path(__file__).resolve().parents[3] / ".build-release" / "release" / "martlet"))
        subprocess.run([binary, *words], check=True, capture_output=True, text=True,
                       env=os.environ | {"MARTLET_HOME": str(home)}, **options)

    def close(self) -> None:
        for session in self.sessions:
            session.socket.close()
        self.operator(self.home, "account", "remove", self.login["address"])

    # What the server may say at any time

    def run(self, session: Session, command: str, literal: bytes | None = None, *, expunges: bool = True,
            expect: str = "OK") -> tuple[str, list[str]]:
        """Sends it; the status must begin as expected. What is told of the selected mailbox is taken in; the rest is
        returned."""
        self.steps += 1
        self.recent = [*self.recent[-40:], f"{session.number}: {command}"]
        status, lines = session.run(command, literal)
        check(status.startswith(expect), "expected", expect, "came", status)
        rest = [line for line in lines if not self.take_in(session, line, expunges)]
        if code := re.match(r"OK \[HIGHESTMODSEQ (\d+)\]", status):
            session.modseq = int(code[1])
        return status, rest

    def take_in(self, session: Session, line: str, expunges: bool) -> bool:
        if found := re.match(r"\* (\d+) EXISTS$", line):
            count = int(found[1])
            check(session.mailbox is not None and count >= len(session.view), line, "with", len(session.view))
            new = [message for message in session.mailbox.messages if message.uid > session.highest_uid]
            wanted = count - len(session.view)
            check(len(new) >= wanted, line, "but there are only", len(session.view) + len(new))
            session.view += new[:wanted]
            if session.view:
                session.highest_uid = max(session.highest_uid, session.view[-1].uid)
            return True
        if found := re.match(r"\* (\d+) EXPUNGE$", line):
            check(expunges and not session.resynchronises and not session.uids_only,
                  "EXPUNGE where it may not stand:", line)
            message = session.view.pop(int(found[1]) - 1)
            check(message.gone, "expunged, but there:", message.uid)
            return True
        if found := re.match(r"\* VANISHED ([\d,:]+)$", line):
            check(expunges and (session.resynchronises or session.uids_only), "VANISHED where it may not stand:", line)
            gone = set(numbers(found[1]))
            known = [message for message in session.view if message.uid in gone]
            check(len(known) == len(gone) and all(message.gone for message in known), line, "of", session.uids())
            session.view = [message for message in session.view if message.uid not in gone]
            return True
        if found := re.match(r"\* (\d+) (UID)?FETCH \((.*)\)$", line):
            check(bool(found[2]) == session.uids_only, "FETCH where it may not stand:", line)
            self.fetched(session, int(found[1]), found[3])
            return True
        check(not session.uids_only or "[UNSEEN" not in line, "a number where none may stand:", line)
        if found := re.match(r"\* OK \[HIGHESTMODSEQ (\d+)\]", line):
            session.modseq = int(found[1])
            return True
        if found := re.match(r"\* OK \[UIDVALIDITY (\d+)\]", line):
            self.validity(session.mailbox, int(found[1]))
            return True
        return "COPYUID" not in line and bool(re.match(r"\* (\d+ RECENT|FLAGS |OK )", line))

    def validity(self, box: Mailbox, value: int) -> None:
        check(box.validity in (None, value), "UIDVALIDITY is", value, "and was", box.validity)
        box.validity = value

    def fetched(self, session: Session, number: int, items: str) -> None:
        if session.uids_only:
            check(number in session.uids(), "UIDFETCH of", number, "among", session.uids())
            message = session.view[session.uids().index(number)]
        else:
            check(1 <= number <= len(session.view), "FETCH of", number, "among", len(session.view))
            message = session.view[number - 1]
        if found := re.search(r"UID (\d+)", items):
            check(int(found[1]) == message.uid, "uid", found[1], "is", message.uid)
        if found := re.search(r"RFC822.SIZE (\d+)", items):
            check(int(found[1]) == message.size, "size", found[1], "is", message.size)
        if found := re.search(r"FLAGS \(([^)]*)\)", items):
            flags = flag_list(found[1])
            check(flags in message.history, "flags of", message.uid, "never were", flags)
            session.told[message.uid] = flags

    def settle(self, session: Session) -> None:
        """After NOOP the client knows all that is so."""
        self.run(session, "NOOP")
        truth = session.mailbox.messages if session.mailbox else []
        check(session.uids() == [message.uid for message in truth], "after NOOP the client counts", session.uids(),
              "and there are", [message.uid for message in truth])
        for message in truth:
            if message.uid in session.told:
                check(session.told[message.uid] == message.flags, "after NOOP flags of", message.uid, "are",
                      message.flags, "and told", session.told[message.uid])
