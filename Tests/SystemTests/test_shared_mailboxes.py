"""Mailboxes that several users share (RFC 4314, RFC 2342), with the whole system between them."""

import contextlib
import imaplib
import json
import socket
import uuid

import pytest

from conftest import wait_until
from mail import imap, ok, smtp, text_message, wait_for_subject


@pytest.fixture
def another(system):
    """A second account."""
    with system.account() as login:
        yield login


@pytest.fixture
def office(system):
    """An account that is nobody's, with a mailbox."""
    address = f"o{uuid.uuid4().hex[:12]}@example.test"
    system.command("account", "add", address, "--shared")
    system.command("mailbox", "create", address, "Plans")
    yield address
    system.command("account", "remove", address, check=False)


def foreign(owner: dict, name: str) -> str:
    return f'"Other Users/{owner["address"]}/{name}"'


def listed(client: imaplib.IMAP4, pattern: str = '"*"') -> list[str]:
    return [line.decode().rsplit('"/" ', 1)[1].strip('"') for line in ok(client.list('""', pattern)) if line]


def select(client: imaplib.IMAP4, name: str):
    """SELECT without imaplib's own opinion of what is read-only."""
    client.untagged_responses, client.is_readonly = {}, True
    answer = client._simple_command("SELECT", name)
    if answer[0] == "OK":
        client.state = "SELECTED"
    return answer


def refused(answer, code: str) -> None:
    assert answer[0] == "NO" and f"[{code}]" in answer[1][0].decode(), answer


def deliver(system, recipient: dict) -> str:
    subject = uuid.uuid4().hex
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [recipient["address"]],
                        text_message("a@elsewhere.test", recipient["address"], subject))
    wait_for_subject(system, recipient, subject)
    return subject


def used(system, address: str) -> dict:
    return json.loads(system.command("account", "quota", address, "--json").stdout)["account"]["used"]


def test_a_mailbox_is_shared_read_and_taken_back(system, account, another):
    subject = deliver(system, account)
    inbox = foreign(account, "INBOX")
    with imap(system, account) as owner, imap(system, another) as guest:
        refused(guest.status(inbox, "(MESSAGES)"), "NONEXISTENT")
        assert not any(name.startswith("Other Users") for name in listed(guest))
        ok(owner.setacl("INBOX", another["address"], "lr"))
        assert inbox.strip('"') in listed(guest)
        assert ok(guest.myrights(inbox))[0].decode().endswith(" lr")
        refused(guest.getacl(inbox), "NOPERM")
        ok(select(guest, inbox))
        assert subject.encode() in ok(guest.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])"))[0][1]
        refused(guest.store("1", "+FLAGS", r"(\Flagged)"), "NOPERM")
        ok(guest.fetch("1", "(BODY[])"))
        ok(owner.select("INBOX"))
        assert b"Seen" not in ok(owner.fetch("1", "(FLAGS)"))[0]
        ok(owner.setacl("INBOX", another["address"], "+swte"))
        ok(guest.store("1", "+FLAGS", r"(\Flagged $Shared)"))
        ok(owner.noop())
        flags = ok(owner.fetch("1", "(FLAGS)"))[0]
        assert b"\\Flagged" in flags and b"$Shared" in flags
        # What is taken away ends the session that has it open, whatever it asks.
        ok(owner.deleteacl("INBOX", another["address"]))
        with pytest.raises(imaplib.IMAP4.abort, match="not there for you any more"):
            guest.noop()
    with imap(system, another) as guest:
        assert not any(name.startswith("Other Users") for name in listed(guest))
        refused(guest.select(inbox), "NONEXISTENT")


def test_messages_go_between_accounts_and_each_pays_for_what_he_has(system, account, another):
    subject = deliver(system, account)
    before = used(system, account["address"])
    with imap(system, account) as owner, imap(system, another) as guest:
        ok(owner.create("Work"))
        ok(owner.setacl("Work", another["address"], "lrswite"))
        ok(owner.setacl("INBOX", another["address"], "lr"))
        work = foreign(account, "Work")
        message = text_message(another["address"], account["address"])
        ok(guest.append(work, r"(\Seen \Draft)", None, message))
        assert used(system, another["address"])["message_count"] == 0
        assert used(system, account["address"])["message_count"] == before["message_count"] + 1
        ok(select(guest, foreign(account, "INBOX")))
        ok(guest.copy("1", "INBOX"))
        refused(guest._simple_command("MOVE", "1", "INBOX"), "NOPERM")
        ok(select(guest, work))
        ok(guest._simple_command("MOVE", "1", "INBOX"))
        assert used(system, another["address"])["message_count"] == 2
        assert used(system, account["address"]) == before
        ok(select(guest, "INBOX"))
        assert ok(guest.search(None, "SUBJECT", subject))[0] == b"1"
        refused(guest.copy("1", foreign(account, "Sent")), "TRYCREATE")
        refused(guest.copy("1", foreign(account, "INBOX")), "NOPERM")


def test_an_account_that_is_nobodys_is_given_to_its_users(system, account, another, office):
    plans = f"Shared/{office}/Plans"
    with imap(system, account) as first, imap(system, another) as second:
        assert plans not in listed(first)
        system.command("mailbox", "grant", office, "Plans", account["address"], "lrswipkxtea")
        assert plans in listed(first)
        ok(first.setacl(plans, another["address"], "lr"))
        ok(first.create(plans + "/2027"))
        assert plans + "/2027" in listed(second)
        refused(second.create(plans + "/2028"), "NOPERM")
        refused(first.create(f"Shared/{office}/Top"), "NOPERM")
        assert another["address"] in system.command("mailbox", "rights", office, "Plans/2027").stdout
        # A message by SMTP comes where it came: into the inbox of the account, which nobody was given.
        with smtp(system) as client:
            client.sendmail("a@elsewhere.test", [office], text_message("a@elsewhere.test", office))
        wait_until(lambda: used(system, office)["message_count"] == 1)
        refused(first.select(f"Shared/{office}/INBOX"), "NONEXISTENT")
    with contextlib.suppress(imaplib.IMAP4.error):
        with imap(system, {"address": office, "password": ""}):
            pytest.fail("somebody logged in as nobody")


def test_who_listens_hears_until_it_is_taken_from_him(system, account, another):
    with imap(system, account) as owner, imap(system, another) as guest:
        ok(owner.setacl("INBOX", another["address"], "lr"))
        ok(select(guest, foreign(account, "INBOX")))
        guest.send(b"x1 IDLE\r\n")
        assert guest.readline().startswith(b"+")
        deliver(system, account)
        assert b"1 EXISTS" in guest.readline()
        ok(owner.setacl("INBOX", another["address"], '""'))
        guest.sock.settimeout(20)
        line = b"* "
        with contextlib.suppress(socket.timeout):
            while line and b"BYE" not in line:
                line = guest.readline()
        assert b"BYE" in line
