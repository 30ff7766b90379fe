"""Messages and mailboxes as the model keeps them, and what is written of them on the wire."""

SYSTEM_FLAGS = (r"\seen", r"\answered", r"\flagged", r"\deleted", r"\draft")
KEYWORDS = ("$forwarded", "work", "later")
NAMES = ("INBOX", "a", "a/b", "a/b/c", "d", "e/f", "g")


class Wrong(AssertionError):
    """The server said what the model does not say."""


def check(condition: bool, *what: object) -> None:
    if not condition:
        raise Wrong(" ".join(str(part) for part in what))


class Message:
    """As it is, whatever a client was told of it."""

    def __init__(self, uid: int, flags: set[str], size: int) -> None:
        self.uid, self.flags, self.size = uid, frozenset(flags), size
        self.gone = False
        # Everything that it ever carried: an answer may be as old as the last command that told what is new.
        self.history = {self.flags}

    def change(self, flags: frozenset[str]) -> None:
        self.flags = flags
        self.history.add(flags)


class Mailbox:
    """As it is: its messages by uid."""

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
