"""What is in mailboxes, message by message: on the server and in a tree of Maildirs, as comparable values.

A message is known by the digest of its octets, whatever its line ends, without the trace fields of a delivery and the
fields that a synchroniser adds for itself. Flags are Maildir's letters: D, F, R, S, T.
"""

import collections
import email.message
import hashlib
import pathlib
import random
import re

from faults.imap import IMAPSession
from faults.wire import Lost, client_tls
from mail import below_trace_fields

LETTERS = {"\\draft": "D", "\\flagged": "F", "\\answered": "R", "\\seen": "S", "\\deleted": "T"}
FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
# mbsync finds what it has stored by the first; offlineimap by the second where there is no UIDPLUS.
ADDED_FIELDS = re.compile(rb"^(?:X-TUID|X-OfflineIMAP):.*\r\n", re.MULTILINE | re.IGNORECASE)
APPENDED_AT_ONCE = 50

# Mailbox, digest, letters.
Contents = dict[str, dict[str, str]]


def digest_of(octets: bytes) -> str:
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, separator, body = octets.partition(b"\r\n\r\n")
    head = ADDED_FIELDS.sub(b"", head + b"\r\n")
    if head.startswith(b"Return-Path:"):
        head = below_trace_fields(head)
    return hashlib.sha256(head + separator + body).hexdigest()


def random_message(source: random.Random, label: str) -> bytes:
    """One of the shapes that make clients stumble; unlike any other with another label. CRLF ends lines."""
    message = email.message.EmailMessage()
    message["From"], message["To"] = "Änne <aenne@elsewhere.test>", "somebody@example.test"
    message["Subject"] = label
    message["Message-ID"] = f"<{label}@elsewhere.test>"
    message["Date"] = "Mon, 23 Nov 2026 12:00:00 +0000"
    shape = source.randrange(8)
    words = [source.choice(("short", "longer", "From", ".", "Grüße", "{5}", "\\", "(x)")) for _ in range(60)]
    text = "\n".join(" ".join(words[start:start + 6]) for start in range(0, 60, 6)) + "\n"
    if shape == 0:
        message.set_content("From the beginning of a line.\n.\n..\nThe end.\n", cte="7bit")
    elif shape == 1:
        message.set_content(text, cte="8bit")
    elif shape == 2:
        message.set_content(text, cte="quoted-printable")
    elif shape == 3:
        message.set_content("x" * 900 + "\n\n\n", cte="7bit")
    elif shape == 4:
        message.set_content(text)
        message.add_attachment(source.randbytes(source.randrange(100, 30_000)), maintype="application",
                               subtype="octet-stream", filename="Übersicht.bin")
    elif shape == 5:
        message["References"] = " ".join(f"<{source.randrange(1 << 60)}@elsewhere.test>" for _ in range(12))
        message.set_content(text, subtype="html")
    elif shape == 6:
        message.set_content("")
    else:
        message.set_content("".join(f"line {number}\n" for number in range(source.randrange(200))))
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def log_in(system, login: dict, timeout: float = 120) -> IMAPSession:
    """A session over TLS, whose answers are waited for so many seconds."""
    return IMAPSession(system.port("imaps"), login, timeout=timeout, tls=client_tls())


class Server:
    """An account's mailboxes through a session of its own, which says what the tests need and no more."""

    def __init__(self, system, login: dict) -> None:
        self.session = log_in(system, login)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.logout()

    def lines(self, command: str) -> list[str]:
        """Untagged lines of a command that must be OK."""
        untagged: list[bytes] = []
        status, text = self.session.completion(self.session.send_command(command), untagged)
        if status != "OK":
            raise Lost(f"{command}: {status} {text}")
        return [line.decode() for line in untagged]

    def mailboxes(self) -> list[str]:
        """The names of all that can be selected."""
        found = [re.match(r'\* LIST \(([^)]*)\) "/" "?([^"]+)"?$', line) for line in self.lines('LIST "" *')]
        return sorted(match[2] for match in found if match and "\\noselect" not in match[1].lower())

    def create(self, mailbox: str) -> None:
        self.session.ok(f'CREATE "{mailbox}"')

    def append(self, mailbox: str, messages: list[tuple[bytes, str]]) -> None:
        """Octets and letters of each."""
        for start in range(0, len(messages), APPENDED_AT_ONCE):
            tags = []
            for octets, letters in messages[start:start + APPENDED_AT_ONCE]:
                tags.append(self.session.next_tag())
                flags = " ".join(FLAGS[letter] for letter in letters)
                line = f'{tags[-1]} APPEND "{mailbox}" ({flags}) {{{len(octets)}+}}\r\n'
                self.session.send(line.encode() + octets + b"\r\n")
            for tag in tags:
                status, text = self.session.completion(tag, [])
                if status != "OK":
                    raise Lost(f"APPEND: {status} {text}")

    def read(self, mailbox: str) -> list[tuple[int, str, str]]:
        """Uid, digest and letters of each message."""
        count = self.session.examine(mailbox)
        if count == 0:
            return []
        letters = {}
        for line in self.lines("FETCH 1:* (UID FLAGS)"):
            if uid := re.search(r"UID (\d+)", line):
                flags = re.search(r"FLAGS \(([^)]*)\)", line)[1].lower().split()
                letters[int(uid[1])] = "".join(sorted(LETTERS[flag] for flag in flags if flag in LETTERS))
        return [(uid, digest_of(octets), letters[uid]) for uid, octets in self.session.messages(count)]

    def change(self, mailbox: str, changes: list[tuple[str, list[int]]]) -> None:
        """STORE commands, each with its uids; those that are marked as deleted go."""
        self.session.ok(f'SELECT "{mailbox}"')
        for items, uids in changes:
            if uids:
                self.session.ok(f"UID STORE {','.join(map(str, uids))} {items}")
        self.session.ok("EXPUNGE")
        self.session.ok("CLOSE")

    def contents(self) -> Contents:
        return {mailbox: unique(mailbox, [(digest, letters) for _, digest, letters in self.read(mailbox)])
                for mailbox in self.mailboxes()}

    def versions(self) -> list[str]:
        """What differs when anything was stored, changed or removed."""
        return sorted(self.lines('LIST "" * RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))'))


class Maildirs:
    """A tree of Maildirs: a folder in a folder is a mailbox below a mailbox."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.written = 0

    def mailboxes(self) -> list[str]:
        return sorted(str(folder.parent.relative_to(self.root)) for folder in self.root.rglob("cur"))

    def create(self, mailbox: str) -> None:
        """With the mailboxes above it, as on the server: offlineimap copies no folder to where none is above it."""
        for folder in (pathlib.Path(mailbox), *pathlib.Path(mailbox).parents[:-1]):
            for name in ("cur", "new", "tmp"):
                (self.root / folder / name).mkdir(parents=True, exist_ok=True)

    def files(self, mailbox: str) -> list[pathlib.Path]:
        return sorted(file for name in ("cur", "new") for file in (self.root / mailbox / name).iterdir())

    @staticmethod
    def letters(file: pathlib.Path) -> str:
        return "".join(sorted(set(file.name.partition(":2,")[2]) & set(FLAGS)))

    def read(self, mailbox: str) -> list[tuple[pathlib.Path, str, str]]:
        """File, digest and letters of each message."""
        return [(file, digest_of(file.read_bytes()), self.letters(file)) for file in self.files(mailbox)]

    def add(self, mailbox: str, octets: bytes, letters: str) -> None:
        """As a mail program does that is not the synchroniser: a file with line ends of Unix."""
        self.written += 1
        name = f"1764000000.{self.written}.here"
        folder = self.root / mailbox
        draft = folder / "tmp" / name
        draft.write_bytes(octets.replace(b"\r\n", b"\n"))
        draft.rename(folder / "cur" / f"{name}:2,{letters}" if letters else folder / "new" / name)

    def change_letters(self, mailbox: str, file: pathlib.Path, letters: set[str]) -> None:
        base = file.name.partition(":2,")[0]
        file.rename(self.root / mailbox / "cur" / f"{base}:2,{''.join(sorted(letters))}")

    def contents(self) -> Contents:
        return {mailbox: unique(mailbox, [(digest, letters) for _, digest, letters in self.read(mailbox)])
                for mailbox in self.mailboxes()}


def unique(mailbox: str, messages: list[tuple[str, str]]) -> dict[str, str]:
    """By digest; a message that is there twice is a failure."""
    counts = collections.Counter(digest for digest, _ in messages)
    doubled = [digest for digest, count in counts.items() if count > 1]
    assert doubled == [], f"{mailbox} has {len(doubled)} messages more than once"
    return dict(messages)


def assert_same(found: Contents, expected: Contents, where: str) -> None:
    """Message by message; says which mailbox differs and how, not thousands of digests."""
    for mailbox in sorted({*found, *expected}):
        have, want = found.get(mailbox, {}), expected.get(mailbox, {})
        lost, strange = want.keys() - have.keys(), have.keys() - want.keys()
        flags = [(want[digest], have[digest]) for digest in have.keys() & want.keys() if have[digest] != want[digest]]
        assert not lost and not strange and not flags, (
            f"{where}, {mailbox}: {len(lost)} lost, {len(strange)} that nobody wrote, "
            f"{len(flags)} with other flags (wanted, found): {flags[:5]}")
