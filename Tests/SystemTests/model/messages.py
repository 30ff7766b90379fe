"""Commands about messages, and what must come of them."""

import re
from urllib.parse import quote

from .session import Session
from .values import KEYWORDS, SYSTEM_FLAGS, Message, check, numbers, set_text
from .world import World


class MessageCommands(World):
    """What puts, changes, copies and removes messages; and what selects the mailbox that they are in."""

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
