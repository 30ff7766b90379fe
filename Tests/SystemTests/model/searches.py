"""Searches, and what they must find."""

from .session import Session
from .values import KEYWORDS, SYSTEM_FLAGS, check
from .world import World


class SearchCommands(World):
    """Keys at random, each with a function that says what it matches."""

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
