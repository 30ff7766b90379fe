#!/usr/bin/env python3
"""Random IMAP commands from several sessions of one account, and beside them a small model of IMAP: after each command the
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

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import re
import socket
import ssl
import subprocess
import sys
import time
import uuid
from urllib.parse import quote

SYSTEM_FLAGS = (r"\seen", r"\answered", r"\flagged", r"\deleted", r"\draft")
KEYWORDS = ("$forwarded", "work", "later")
NAMES = ("INBOX", "a", "a/b", "a/b/c", "d", "e/f", "g")


class Wrong(AssertionError):
    """The server said what the model does not say."""


def check(condition: bool, *what: object) -> None:
    if not condition:
        raise Wrong(" ".join(str(part) for part in what))


class Message:
    def __init__(self, uid: int, flags: set[str], size: int) -> None:
        self.uid, self.flags, self.size = uid, frozenset(flags), size
        self.gone = False
        # Everything that it ever carried: an answer may be as old as the last command that told what is new.
        self.history = {self.flags}

    def change(self, flags: frozenset[str]) -> None:
        self.flags = flags
        self.history.add(flags)


class Mailbox:
    def __init__(self, selectable: bool = True) -> None:
        self.selectable = selectable
        self.messages: list[Message] = []
        self.next_uid = 1
        self.validity: int | None = None

    def add(self, flags: set[str], size: int) -> Message:
        message = Message(self.next_uid, flags, size)
        self.next_uid += 1
        self.messages.append(message)
        return message

    def remove(self, gone: list[Message]) -> None:
        for message in gone:
            message.gone = True
        self.messages = [message for message in self.messages if not message.gone]


class Session:
    """A connection, and what its client was told."""

    def __init__(self, number: int, connection: dict, login: dict, resynchronises: bool, uids_only: bool) -> None:
        self.number = number
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection((connection["host"], connection["port"]), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain)
        self.buffer = b""
        self.count = 0
        self.mailbox: Mailbox | None = None
        self.read_only = False
        self.view: list[Message] = []
        self.told: dict[int, frozenset[str]] = {}
        self.highest_uid = 0
        self.resynchronises = resynchronises
        self.uids_only = uids_only
        self.modseq = 0
        # What it knew of a mailbox when it left it: modseq, and flags by uid.
        self.cache: dict[int, tuple[int, dict[int, frozenset[str]]]] = {}
        self.line()
        self.run(f'LOGIN {login["address"]} "{login["password"]}"')
        if resynchronises:
            self.run("ENABLE QRESYNC")
        if uids_only:
            self.run("ENABLE UIDONLY")

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            octets = self.socket.recv(1 << 16)
            if not octets:
                raise Wrong("the server closed the connection", self.buffer)
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def run(self, command: str, literal: bytes | None = None) -> tuple[str, list[str]]:
        """The tagged response, and the lines before it."""
        self.count += 1
        tag = f"t{self.count}"
        octets = f"{tag} {command}".encode()
        if literal is not None:
            octets += f" {{{len(literal)}+}}\r\n".encode() + literal
        self.socket.sendall(octets + b"\r\n")
        lines = []
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                return line[len(tag) + 1:], lines
            lines.append(line)

    def uids(self) -> list[int]:
        return [message.uid for message in self.view]

    def forget(self) -> None:
        if self.mailbox and self.resynchronises and all(uid in self.told for uid in self.uids()):
            self.cache[self.mailbox.validity or 0] = (self.modseq, {uid: self.told[uid] for uid in self.uids()})
        self.mailbox, self.view, self.told, self.highest_uid = None, [], {}, 0


def numbers(text: str) -> list[int]:
    """`1,3:5`"""
    found = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


def set_text(values: list[int]) -> str:
    return ",".join(map(str, values))


def flag_list(text: str) -> frozenset[str]:
    return frozenset(flag.lower() for flag in text.split())


class World:
    """One account: its sessions, the truth, and the next command."""

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
            str(pathlib.Path(__file__).resolve().parents[2] / ".build-release" / "release" / "martlet"))
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

    # Commands

    def step(self) -> None:
        session = self.random.choice(self.sessions)
        if session.mailbox is None:
            commands = [self.select] * 6 + [self.append, self.create, self.delete, self.rename, self.status, self.list]
        else:
            commands = (
                [self.append] * 5 + [self.catenate] * 2 + [self.store] * 8 + [self.fetch] * 6 + [self.copy] * 3 + [self.expunge] * 3
                + [self.search] * 3 + [self.settle] * 4 + [self.select, self.leave, self.status, self.list]
                + [self.create, self.delete, self.rename])
        self.random.choice(commands)(session)

    def some_flags(self, least: int = 0) -> list[str]:
        return self.random.sample(SYSTEM_FLAGS + KEYWORDS, self.random.randint(least, 3))

    def append(self, session: Session) -> None:
        name = self.random.choice([*self.boxes, "nowhere"])
        flags = self.some_flags()
        text = f"Subject: {self.steps}\r\n\r\n" + "x" * self.random.randint(0, 200) + "\r\n"
        box = self.boxes.get(name)
        if box is None or not box.selectable:
            self.run(session, f"APPEND {name} ({' '.join(flags)})", text.encode(), expect="NO [TRYCREATE]")
            return
        expected = box.add(set(flags), len(text))
        status, _ = self.run(session, f"APPEND {name} ({' '.join(flags)})", text.encode())
        found = re.match(r"OK \[APPENDUID (\d+) (\d+)\]", status)
        check(found is not None and int(found[2]) == expected.uid, status, "but", expected.uid, "was due")
        self.validity(box, int(found[1]))
        # A mailbox of few messages shows more of what may go wrong.
        if len(box.messages) > 60:
            self.empty(session, name)

    def catenate(self, session: Session) -> None:
        """A message is put together from text, a whole one and octets of another (RFC 4469); they may not be there."""
        name = self.random.choice(list(self.boxes))
        first, most = self.random.randint(0, 300), self.random.randint(1, 300)
        # The same from two sessions would be one message that came again.
        text = f"Subject: {self.steps}\r\n\r\n"
        parts, size, wrong = [f"TEXT {{{len(text)}+}}\r\n{text}"], len(text), False
        for partial in ("", f"/;PARTIAL={first}.{most}"):
            source = self.random.choice(list(self.boxes))
            # What is put together is put together again: it must not grow without end.
            small = [message for message in self.boxes[source].messages if message.size < 1000]
            message = self.random.choice(small) if small and self.random.random() < 0.9 else None
            wrong = wrong or message is None
            size += min(most, max(0, message.size - first)) if message and partial else message.size if message else 0
            parts.append(f'URL "/{quote(source)}/;UID={message.uid if message else 10_000_000}{partial}"')
        command, box = f"APPEND {name} CATENATE ({' '.join(parts)})", self.boxes[name]
        if wrong or not box.selectable:
            self.run(session, command, expect="NO [BADURL" if wrong else "NO [TRYCREATE]")
            return
        expected = box.add(set(), size)
        status, _ = self.run(session, command)
        found = re.match(r"OK \[APPENDUID (\d+) (\d+)\]", status)
        check(found is not None and int(found[2]) == expected.uid, status, "but", expected.uid, "was due")
        self.validity(box, int(found[1]))
        if len(box.messages) > 60:
            self.empty(session, name)

    def empty(self, session: Session, name: str) -> None:
        self.select(session, name, read_only=False)
        for message in self.boxes[name].messages:
            message.change(message.flags | {r"\deleted"})
        if self.boxes[name].messages:
            self.run(session, r"UID STORE 1:* +FLAGS.SILENT (\Deleted)")
        self.boxes[name].remove(self.boxes[name].messages)
        self.run(session, "CLOSE")
        session.forget()

    def select(self, session: Session, name: str | None = None, read_only: bool | None = None) -> None:
        name = name or self.random.choice([*self.boxes, "nowhere"])
        read_only = self.random.random() < 0.15 if read_only is None else read_only
        verb = "EXAMINE" if read_only else "SELECT"
        box = self.boxes.get(name)
        if session.resynchronises and session.view and self.random.random() < 0.7:
            self.settle(session)
            if session.view:
                by_uid = "UID " if session.uids_only else ""
                self.run(session, f"{by_uid}FETCH 1:* (UID FLAGS)", expunges=session.uids_only)
        session.forget()
        if box is None or not box.selectable:
            self.run(session, f"{verb} {name}", expect="NO [NONEXISTENT]")
            return
        known = session.cache.get(box.validity or 0) if session.resynchronises else None
        parameter = ""
        if known:
            uids = f" {set_text(sorted(known[1]))}" if known[1] and self.random.random() < 0.5 else ""
            parameter = f" (QRESYNC ({box.validity} {known[0]}{uids}))"
        session.mailbox, session.read_only = box, read_only
        session.modseq = 0
        # What is told comes after EXISTS, which comes first.
        session.view, session.highest_uid = [], 0
        status, rest = self.run(session, f"{verb} {name}{parameter}")
        check(("READ-ONLY" in status) == read_only, status)
        truth = [message.uid for message in box.messages]
        check(session.uids() == truth, verb, "counts", session.uids(), "instead of", truth)
        if parameter:
            self.resynchronised(session, known[1], uids != "", rest)

    def resynchronised(self, session: Session, known: dict, only_known: bool, rest: list[str]) -> None:
        """What was known, and what is told, is the truth (RFC 7162, 3.2.5)."""
        cached = dict(known)
        for line in rest:
            found = re.match(r"\* VANISHED \(EARLIER\) ([\d,:]+)$", line)
            check(found is not None, "not understood:", line)
            for uid in numbers(found[1]):
                cached.pop(uid, None)
        cached |= session.told
        for message in session.mailbox.messages:
            if message.uid in known or not only_known:
                check(cached.pop(message.uid, None) == message.flags, "of uid", message.uid, "the client knows not",
                      message.flags)
        check(not cached, "the client keeps what is gone:", cached)
        session.told |= {uid: flags for uid, flags in known.items() if uid not in session.told}

    def leave(self, session: Session) -> None:
        if self.random.random() < 0.5:
            self.settle(session)
            session.forget()
            self.run(session, "UNSELECT")
            return
        if not session.read_only:
            session.mailbox.remove([one for one in session.mailbox.messages if r"\deleted" in one.flags])
        # What CLOSE removes is not told, so that it is not known either.
        session.mailbox, session.view, session.told, session.highest_uid = None, [], {}, 0
        self.run(session, "CLOSE")

    def choose(self, session: Session) -> tuple[str, str, list[Message], bool]:
        """A set for a command: `UID ` or nothing, the set, the messages of the view that it names."""
        by_uid = session.uids_only or self.random.random() < 0.5
        chosen = [message for message in session.view if self.random.random() < 0.3]
        if by_uid:
            names = [message.uid for message in chosen] + ([10_000_000] if self.random.random() < 0.1 else [])
        else:
            positions = {id(message): number + 1 for number, message in enumerate(session.view)}
            names = [positions[id(message)] for message in chosen]
        self.random.shuffle(names)
        return ("UID " if by_uid else ""), set_text(names), chosen, bool(names)

    def store(self, session: Session) -> None:
        prefix, names, chosen, any_named = self.choose(session)
        if not any_named:
            return self.settle(session)
        flags = self.some_flags(1)
        sign = self.random.choice(["", "+", "-"])
        silent = ".SILENT" if self.random.random() < 0.5 else ""
        command = f"{prefix}STORE {names} {sign}FLAGS{silent} ({' '.join(flags)})"
        if session.read_only:
            self.run(session, command, expunges=prefix != "", expect="NO [READ-ONLY]")
            return
        def changed(before: frozenset[str]) -> frozenset[str]:
            return before | set(flags) if sign == "+" else before - set(flags) if sign == "-" else frozenset(flags)

        for message in chosen:
            if not message.gone:
                message.change(changed(message.flags))
            # The client knows what it did; what others did meanwhile it must be told.
            if silent and message.uid in session.told:
                session.told[message.uid] = changed(session.told[message.uid])
        self.run(session, command, expunges=prefix != "")
        if not silent:
            for message in chosen:
                if not message.gone:
                    check(session.told.get(message.uid) == message.flags, "STORE told of", message.uid,
                          session.told.get(message.uid), "and it is", message.flags)

    def fetch(self, session: Session) -> None:
        prefix, names, chosen, any_named = self.choose(session)
        if not any_named:
            return self.settle(session)
        for message in chosen:
            session.told.pop(message.uid, None)
        command = f"{prefix}FETCH {names} (UID FLAGS RFC822.SIZE)"
        self.run(session, command, expunges=prefix != "")
        for message in chosen:
            if not message.gone:
                check(message.uid in session.told, "FETCH did not tell of", message.uid)

    def copy(self, session: Session) -> None:
        prefix, names, chosen, any_named = self.choose(session)
        moves = self.random.random() < 0.5
        name = self.random.choice([*self.boxes, "nowhere"])
        if not any_named:
            return self.settle(session)
        verb = "MOVE" if moves else "COPY"
        command = f"{prefix}{verb} {names} {name}"
        if moves and session.read_only:
            self.run(session, command, expect="NO [READ-ONLY]")
            return
        box = self.boxes.get(name)
        if chosen and (box is None or not box.selectable):
            self.run(session, command, expect="NO [TRYCREATE]")
            return
        there = [message for message in chosen if not message.gone]
        copies = [box.add(set(message.flags), message.size) for message in there] if chosen else []
        if moves:
            session.mailbox.remove(there)
        status, rest = self.run(session, command)
        if copies:
            code = next((found for line in [status, *(f"{one[2:]}" for one in rest)]
                         if (found := re.search(r"\[COPYUID (\d+) ([\d,:]+) ([\d,:]+)\]", line))), None)
            if code:
                check(numbers(code[2]) == [message.uid for message in there], command, "copied", code[2])
                check(numbers(code[3]) == [message.uid for message in copies], command, "made", code[3])
            else:
                check(moves, "no COPYUID:", status)

    def expunge(self, session: Session) -> None:
        prefix, names, chosen, any_named = self.choose(session)
        only = prefix != "" and any_named
        command = f"UID EXPUNGE {names}" if only else "EXPUNGE"
        if session.read_only:
            self.run(session, command, expect="NO [READ-ONLY]")
            return
        doomed = [message for message in session.mailbox.messages if r"\deleted" in message.flags]
        if only:
            uids = {message.uid for message in chosen}
            doomed = [message for message in doomed if message.uid in uids]
        session.mailbox.remove(doomed)
        self.run(session, command)
        for message in doomed:
            check(message.uid not in session.uids(), "EXPUNGE left", message.uid)

    def search(self, session: Session) -> None:
        self.settle(session)
        key, matches = self.key(session, 0)
        by_uid = session.uids_only or self.random.random() < 0.5
        status, rest = self.run(session, f"{'UID ' if by_uid else ''}SEARCH {key}", expunges=by_uid)
        lines = [line for line in rest if line.startswith("* SEARCH")]
        check(len(lines) == 1, "SEARCH answered", rest)
        found = [int(word) for word in lines[0].split()[2:]]
        expected = [message.uid if by_uid else number + 1 for number, message in enumerate(session.view) if
                    matches(number + 1, message)]
        check(found == expected, f"SEARCH {key} found", found, "expected", expected)

    def key(self, session: Session, depth: int):
        kind = self.random.randrange(8 if depth < 3 else 5)
        if kind == 0:
            return "ALL", lambda number, message: True
        if kind == 1:
            flag = self.random.choice(SYSTEM_FLAGS)
            return flag[1:].upper(), lambda number, message: flag in message.flags
        if kind == 2:
            word = self.random.choice(KEYWORDS)
            return f"UNKEYWORD {word}", lambda number, message: word not in message.flags
        if kind == 3:
            size = self.random.randint(20, 250)
            return f"LARGER {size}", lambda number, message: message.size > size
        if kind == 4 and session.view:
            low = self.random.randint(1, len(session.view))
            if session.uids_only:
                lowest = session.view[low - 1].uid
                return f"UID {lowest}:*", lambda number, message: message.uid >= lowest
            return f"{low}:*", lambda number, message: number >= low
        if kind == 5:
            inner, matches = self.key(session, depth + 1)
            return f"NOT {inner}", lambda number, message: not matches(number, message)
        if kind == 6:
            (one, first), (two, second) = self.key(session, depth + 1), self.key(session, depth + 1)
            return f"OR {one} {two}", lambda number, message: first(number, message) or second(number, message)
        (one, first), (two, second) = self.key(session, 4), self.key(session, 4)
        return f"({one} {two})", lambda number, message: first(number, message) and second(number, message)

    def status(self, session: Session) -> None:
        name = self.random.choice([*self.boxes, "nowhere"])
        box = self.boxes.get(name)
        items = "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)"
        if box is None or not box.selectable:
            self.run(session, f"STATUS {name} {items}", expect="NO [NONEXISTENT]")
            return
        _, rest = self.run(session, f"STATUS {name} {items}")
        line = next(line for line in rest if line.startswith("* STATUS"))
        words = line[line.rindex("(") + 1:-1].split()
        values = {item: int(value) for item, value in zip(words[::2], words[1::2])}
        self.validity(box, values.pop("UIDVALIDITY"))
        expected = {
            "MESSAGES": len(box.messages), "UIDNEXT": box.next_uid,
            "UNSEEN": sum(r"\seen" not in message.flags for message in box.messages),
            "DELETED": sum(r"\deleted" in message.flags for message in box.messages),
            "SIZE": sum(message.size for message in box.messages)}
        check(values == expected, "STATUS of", name, values, "expected", expected)

    # Names

    def list(self, session: Session) -> None:
        _, rest = self.run(session, 'LIST "" *')
        listed = {}
        for line in rest:
            if found := re.match(r'\* LIST \(([^)]*)\) "/" "?([^"]+?)"?$', line):
                listed[found[2]] = flag_list(found[1])
        check(set(listed) == set(self.boxes), "LIST has", sorted(listed), "expected", sorted(self.boxes))
        for name, attributes in listed.items():
            has_children = any(other.startswith(name + "/") for other in self.boxes)
            check((r"\haschildren" in attributes) == has_children, name, attributes)
            check((r"\noselect" in attributes) == (not self.boxes[name].selectable), name, attributes)

    def make_parents(self, name: str) -> None:
        levels = name.split("/")
        for depth in range(1, len(levels)):
            self.boxes.setdefault("/".join(levels[:depth]), Mailbox(selectable=False))

    def is_selected(self, box: Mailbox) -> bool:
        return any(session.mailbox is box for session in self.sessions)

    def create(self, session: Session) -> None:
        name = self.random.choice(NAMES)
        old = self.boxes.get(name)
        if old and old.selectable:
            self.run(session, f"CREATE {name}", expect="NO [ALREADYEXISTS]")
            return
        self.run(session, f"CREATE {name}")
        self.make_parents(name)
        self.boxes[name] = Mailbox()

    def delete(self, session: Session) -> None:
        name = self.random.choice(NAMES)
        box = self.boxes.get(name)
        if name == "INBOX":
            self.run(session, "DELETE INBOX", expect="NO [CANNOT]")
            return
        if box is None:
            self.run(session, f"DELETE {name}", expect="NO [NONEXISTENT]")
            return
        # Who has it selected is told BYE, which is another test's business.
        if self.is_selected(box):
            return
        if any(other.startswith(name + "/") for other in self.boxes):
            if not box.selectable:
                self.run(session, f"DELETE {name}", expect="NO [HASCHILDREN]")
                return
            self.run(session, f"DELETE {name}")
            self.boxes[name] = Mailbox(selectable=False)
            return
        self.run(session, f"DELETE {name}")
        del self.boxes[name]

    def rename(self, session: Session) -> None:
        source, target = self.random.sample(NAMES, 2)
        box = self.boxes.get(source)
        if target == "INBOX":
            self.run(session, f"RENAME {source} INBOX", expect="NO [ALREADYEXISTS]")
            return
        if box is None:
            self.run(session, f"RENAME {source} {target}", expect="NO [NONEXISTENT]")
            return
        if target in self.boxes:
            self.run(session, f"RENAME {source} {target}", expect="NO [ALREADYEXISTS]")
            return
        if source == "INBOX":
            made = Mailbox()
            for message in box.messages:
                made.add(set(message.flags), message.size)
            box.remove(box.messages)
            self.make_parents(target)
            self.boxes[target] = made
            self.run(session, f"RENAME INBOX {target}")
            return
        if target.startswith(source + "/"):
            self.run(session, f"RENAME {source} {target}", expect="NO [CANNOT]")
            return
        self.run(session, f"RENAME {source} {target}")
        self.make_parents(target)
        self.boxes = {
            target + name[len(source):] if name == source or name.startswith(source + "/") else name: one
            for name, one in self.boxes.items()}


def run_world(home: pathlib.Path, seed: int, steps: int, sessions: int, progress: bool) -> int:
    """Returns how many steps were taken; what goes wrong is raised, with the last commands."""
    world = World(home, seed, sessions)
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000, help="in all worlds together")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--worlds", type=int, default=1)
    parser.add_argument("--home", type=pathlib.Path, default=os.environ.get("MARTLET_HOME"))
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


if __name__ == "__main__":
    main()
