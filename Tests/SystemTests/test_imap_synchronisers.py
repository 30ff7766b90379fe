"""Programs that keep a copy of all mailboxes: mbsync and offlineimap, both ways; nothing is lost, doubled or altered.

MARTLET_CLIENT_MESSAGES says how many messages there are (200 by default, 5,000 in a full run); MARTLET_CLIENT_SEED
draws the same messages and changes again.
"""

import os
import pathlib
import random
import time

import pytest

from mail import smtp, text_message
from mailbox_contents import Contents, Maildirs, Server, assert_same, digest_of, random_message
from programs import need, run

MESSAGES = int(os.environ.get("MARTLET_CLIENT_MESSAGES", "200"))
SEED = int(os.environ.get("MARTLET_CLIENT_SEED", random.randrange(1 << 31)))
# What a synchroniser may need at worst for so many messages.
PATIENCE = 120 + MESSAGES / 5
# The third is Größe in modified UTF-7 (RFC 3501, 5.1.3): both programs name folders as the server names mailboxes.
SHARES = {"INBOX": 0.6, "Work/2026": 0.3, "Gr&APYA3w-e": 0.1}
LETTER_SETS = ["", "", "S", "S", "F", "RS", "FS", "D", "DFRS"]


def mbsync(system, account, folder: pathlib.Path, maildirs: pathlib.Path) -> list[str]:
    need("mbsync")
    configuration = folder / "mbsyncrc"
    configuration.write_text(
        f"FSync no\nIMAPStore far\nHost {system.host('imaps')}\nPort {system.port('imaps')}\n"
        f"User {account['address']}\nPass {account['password']}\n"
        f"SSLType IMAPS\nCertificateFile {system.home}/tls/ca.pem\nTimeout 60\n\n"
        f"MaildirStore near\nPath {maildirs}/\nInbox {maildirs}/INBOX\nSubFolders Verbatim\n\n"
        "Channel mail\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n")
    return ["mbsync", "-c", str(configuration), "mail"]


def offlineimap(system, account, folder: pathlib.Path, maildirs: pathlib.Path) -> list[str]:
    need("offlineimap")
    configuration = folder / "offlineimaprc"
    configuration.write_text(
        f"[general]\naccounts = mail\nmetadata = {folder}/metadata\nui = basic\nsocktimeout = 60\nfsync = false\n\n"
        "[Account mail]\nlocalrepository = near\nremoterepository = far\n\n"
        f"[Repository near]\ntype = Maildir\nlocalfolders = {maildirs}\nsep = /\n\n"
        f"[Repository far]\ntype = IMAP\nremotehost = {system.host('imaps')}\nremoteport = {system.port('imaps')}\n"
        f"remoteuser = {account['address']}\nremotepass = {account['password']}\nssl = yes\n"
        f"sslcacertfile = {system.home}/tls/ca.pem\nmaxconnections = 2\n")
    return ["offlineimap", "-o", "-c", str(configuration)]


class Both:
    """The two sides, and what both must have after the next run."""

    def __init__(self, server: Server, maildirs: Maildirs, source: random.Random) -> None:
        self.server, self.maildirs, self.random = server, maildirs, source
        self.expected: Contents = {mailbox: {} for mailbox in server.mailboxes()}
        self.count = 0

    def new_messages(self, count: int) -> list[tuple[bytes, str]]:
        made = []
        for _ in range(count):
            self.count += 1
            made.append((random_message(self.random, f"message-{self.count}-{self.random.randrange(1 << 40):x}"),
                         self.random.choice(LETTER_SETS)))
        return made

    def expect(self, mailbox: str, messages: list[tuple[bytes, str]]) -> None:
        self.expected.setdefault(mailbox, {}).update((digest_of(octets), letters) for octets, letters in messages)

    def fill(self, mailbox: str, count: int) -> None:
        if mailbox not in self.expected:
            self.server.create(mailbox)
        messages = self.new_messages(count)
        self.server.append(mailbox, messages)
        self.expect(mailbox, messages)

    def part(self, mailbox: str, share: float) -> int:
        return max(1, round(len(self.expected[mailbox]) * share))

    def change(self, system, account, round_number: int) -> None:
        """New, changed and removed messages and a new mailbox on each side; some flags change on both at once."""
        # Mail comes in while nobody synchronises.
        before = {digest for _, digest, _ in self.server.read("INBOX")}
        with smtp(system) as client:
            for number in range(5):
                client.sendmail("a@elsewhere.test", [account["address"]], text_message(
                    "a@elsewhere.test", account["address"], f"delivered {round_number} {number}"))
        delivered = [digest for _, digest, _ in self.server.read("INBOX") if digest not in before]
        assert len(delivered) == 5
        self.expected["INBOX"].update((digest, "") for digest in delivered)
        for mailbox in SHARES:
            # What both sides have already; what was delivered just now is not here yet.
            known = sorted(self.expected[mailbox].keys() - set(delivered))
            self.random.shuffle(known)
            part = self.part(mailbox, 0.04)
            gone_far, gone_near, flagged_far, flagged_near, flagged_both = (
                set(known[number * part:(number + 1) * part]) for number in range(5))
            self.fill(mailbox, part)
            # On the server: what goes, what gets flags, what loses them.
            uids: dict[str, int] = {digest: uid for uid, digest, _ in self.server.read(mailbox)}
            self.server.change(mailbox, [
                ("+FLAGS.SILENT (\\Flagged)", [uids[digest] for digest in flagged_far | flagged_both]),
                ("-FLAGS.SILENT (\\Seen)", [uids[digest] for digest in flagged_far | flagged_both]),
                ("+FLAGS.SILENT (\\Deleted)", [uids[digest] for digest in gone_far])])
            # Here: the same. Of a message that both sides changed, each change counts.
            for file, digest, letters in self.maildirs.read(mailbox):
                if digest in gone_near:
                    file.unlink()
                elif digest in flagged_near | flagged_both:
                    self.maildirs.change_letters(mailbox, file, (set(letters) | {"R"}) - {"D"})
            for digest in gone_far | gone_near:
                del self.expected[mailbox][digest]
            for digest in flagged_far | flagged_near | flagged_both:
                letters = set(self.expected[mailbox][digest])
                if digest not in flagged_near:
                    letters = (letters | {"F"}) - {"S"}
                if digest not in flagged_far:
                    letters = (letters | {"R"}) - {"D"}
                self.expected[mailbox][digest] = "".join(sorted(letters))
            self.write_near(mailbox, part)
        self.fill(f"Far/{round_number}", 3)
        self.maildirs.create(f"Near/{round_number}")
        self.write_near(f"Near/{round_number}", 3)

    def write_near(self, mailbox: str, count: int) -> None:
        messages = self.new_messages(count)
        for octets, letters in messages:
            self.maildirs.add(mailbox, octets, letters)
        self.expect(mailbox, messages)

    def compare(self, when: str) -> None:
        assert_same(self.server.contents(), self.expected, f"{when}, on the server")
        assert_same(self.maildirs.contents(), self.expected, f"{when}, in the Maildirs")


@pytest.mark.parametrize("program", [mbsync, offlineimap], ids=lambda program: program.__name__)
def test_mailboxes_are_synchronised_both_ways_twice(system, account, tmp_path, program):
    print(f"{MESSAGES} messages, seed {SEED}")
    maildirs = Maildirs(tmp_path / "maildirs")
    maildirs.root.mkdir()
    words = program(system, account, tmp_path, maildirs.root)

    def synchronise(when: str) -> None:
        began = time.monotonic()
        run(*words, timeout=PATIENCE, env=os.environ | {"HOME": str(tmp_path)})
        print(f"{when}: {time.monotonic() - began:.1f} s")

    with Server(system, account) as server:
        both = Both(server, maildirs, random.Random(SEED))
        for mailbox, share in SHARES.items():
            both.fill(mailbox, round(MESSAGES * share))
        synchronise("the first time")
        both.compare("after the first time")
        for round_number in (1, 2):
            both.change(system, account, round_number)
            synchronise(f"round {round_number}")
            both.compare(f"after round {round_number}")
        # Who has everything writes nothing.
        versions = server.versions()
        synchronise("with nothing to do")
        assert server.versions() == versions
        both.compare("at the end")
