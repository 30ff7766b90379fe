"""Programs that people read and fetch mail with, each for what it does best, over TLS whose authority they check.

What they leave in the mailboxes is looked at through a session of ours.
"""

import os
import pathlib
import random
import re
import shlex
import subprocess

import pytest

from dovecot import owner_of_mail
from mailbox_contents import Maildirs, Server, assert_same, digest_of, random_message
from programs import need, run, run_in_terminal


def message(subject: str, body: str = "Hello.\r\n") -> bytes:
    return (f"From: a@elsewhere.test\r\nTo: b@example.test\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@elsewhere.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n{body}").encode()


def subject_of(octets: bytes) -> str:
    return re.search(rb"^Subject: ([^\r\n]*)", octets, re.MULTILINE)[1].decode()


def fill(system, account, messages: list[tuple[bytes, str]], mailbox: str = "INBOX") -> None:
    with Server(system, account) as server:
        server.append(mailbox, messages)


def stored(system, account, mailbox: str = "INBOX") -> dict[str, str]:
    """Letters by subject."""
    with Server(system, account) as server:
        letters = {uid: letters for uid, _, letters in server.read(mailbox)}
        messages = server.session.messages(server.session.examine(mailbox))
        return {subject_of(octets): letters[uid] for uid, octets in messages}


# ---- curl

def curl(system, account, path: str, *options: str) -> str:
    need("curl")
    return run("curl", "--silent", "--show-error", "--cacert", f"{system.home}/tls/ca.pem",
               f"imaps://{system.host('imaps')}:{system.port('imaps')}/{path}",
               "--user", f"{account['address']}:{account['password']}", *options).stdout


def test_curl_makes_lists_uploads_finds_and_removes(system, account, tmp_path):
    curl(system, account, "", "--request", 'CREATE "Curl/Gr&APYA3w-e"')
    assert '"/" Curl/Gr&APYA3w-e' in curl(system, account, "")
    file = tmp_path / "message"
    for subject in ("one", "two"):
        file.write_bytes(message(subject))
        curl(system, account, "Archive", "--upload-file", str(file))
    assert curl(system, account, "Archive?SUBJECT%20two").strip() == "* SEARCH 2"
    # What curl uploads it says to have read: APPEND Archive (\\Seen).
    assert curl(system, account, "Archive", "--request", "SEARCH SEEN").strip() == "* SEARCH 1 2"
    assert "MESSAGES 2" in curl(system, account, "", "--request", "STATUS Archive (MESSAGES UIDNEXT)")
    assert curl(system, account, "Archive;UID=2;SECTION=TEXT") == "Hello.\n"
    assert "Subject: one" in curl(system, account, "Archive;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
    assert "ENVELOPE" in curl(system, account, "Archive", "--request", "FETCH 1:2 (FLAGS ENVELOPE BODYSTRUCTURE)")
    curl(system, account, "Archive", "--request", r"STORE 1 +FLAGS.SILENT (\Deleted)",
         "--next", "--silent", "--show-error", "--cacert", f"{system.home}/tls/ca.pem",
         "--user", f"{account['address']}:{account['password']}",
         f"imaps://{system.host('imaps')}:{system.port('imaps')}/Archive", "--request", "EXPUNGE")
    assert list(stored(system, account, "Archive")) == ["two"]


# ---- mutt and neomutt, with a cache of headers

class Mutt:
    """mutt or neomutt with a header cache: each run opens INBOX, does what is pushed, and ends."""

    def __init__(self, program: str, system, account, folder: pathlib.Path, options: str) -> None:
        need(program)
        self.program, self.folder = program, folder
        (folder / "cache").mkdir()
        self.settings = (
            f'set folder="imaps://{system.host("imaps")}:{system.port("imaps")}/"\nset spoolfile="+INBOX"\n'
            f'set imap_user="{account["address"]}"\nset imap_pass="{account["password"]}"\n'
            f'set ssl_verify_host=no\nset ssl_verify_dates=no\nset certificate_file="{system.home}/tls/ca.pem"\n'
            f'set header_cache="{folder}/cache"\nset sort=mailbox-order\nset quit=yes\nset delete=yes\nset move=no\n'
            'set confirmappend=no\nset confirmcreate=no\nset wait_key=no\nset resolve=no\nset copy=no\nset sleep_time=0\n'
            f'set mark_old=no\nset mbox_type=mbox\nset pipe_split=yes\nset pipe_decode=no\n{options}')

    def run(self, keys: str) -> str:
        file = self.folder / "muttrc"
        file.write_text(f'{self.settings}push "{keys}<sync-mailbox><quit>"\n')
        return run_in_terminal(self.program, "-n", "-F", str(file), "-f", "+INBOX",
                               env=os.environ | {"TERM": "xterm", "HOME": str(self.folder)})

    def seen(self, pattern: str) -> list[str]:
        """Subjects of the messages that match, as the program shows and fetches them."""
        file = self.folder / "piped"
        file.write_bytes(b"")
        self.run(f"<tag-pattern>{pattern}<enter><tag-prefix><pipe-message>cat >>{file}<enter><untag-pattern>~A<enter>")
        return sorted(re.findall(r"^Subject: (.*)$", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize("program,options", [
    ("mutt", ""),
    ("mutt", "set imap_condstore=yes\n"),
    ("mutt", "set imap_condstore=yes\nset imap_qresync=yes\nset imap_deflate=yes\n"),
    ("neomutt", "set imap_condstore=yes\n"),
    ("neomutt", "set imap_condstore=yes\nset imap_qresync=yes\n")],
    ids=["mutt", "mutt-condstore", "mutt-qresync-deflate", "neomutt-condstore", "neomutt-qresync"])
def test_mutt_changes_a_mailbox_and_resynchronises_what_it_knows(system, account, tmp_path, program, options):
    fill(system, account, [(message(f"m{number}"), "S") for number in range(1, 9)])
    mutt = Mutt(program, system, account, tmp_path, options)
    mutt.run("1<enter><flag-message>2<enter><delete-message>3<enter><save-message><kill-line>=Archive<enter>")
    assert stored(system, account) == {f"m{number}": "FS" if number == 1 else "S" for number in (1, 4, 5, 6, 7, 8)}
    assert stored(system, account, "Archive") == {"m3": "S"}
    # Another client changes things while it is away; then it must know them, whatever its cache said.
    with Server(system, account) as server:
        uids = {number: uid for number, uid in zip((1, 4, 5, 6, 7, 8), (uid for uid, _, _ in server.read("INBOX")))}
        server.append("INBOX", [(message("m9"), "S")])
        server.change("INBOX", [("+FLAGS.SILENT (\\Flagged)", [uids[5]]), ("-FLAGS.SILENT (\\Flagged)", [uids[1]]),
                                ("+FLAGS.SILENT (\\Deleted)", [uids[4], uids[7]])])
    assert mutt.seen("~A") == ["m1", "m5", "m6", "m8", "m9"]
    assert mutt.seen("~F") == ["m5"]


# ---- Programs that fetch: what comes out is compared with what was stored

MESSAGES = [(random_message(random.Random(1870 + number), f"fetched-{number}"), "") for number in range(40)]


def delivery_script(folder: pathlib.Path) -> pathlib.Path:
    """A program that a message is handed to on its standard input; each lands in a file of its own."""
    (folder / "delivered").mkdir()
    script = folder / "deliver"
    script.write_text(f'#!/bin/sh\nexec cat >"$(mktemp {shlex.quote(str(folder))}/delivered/XXXXXXXX)"\n')
    script.chmod(0o755)
    return script


# What getmail adds for itself, also to a message that has no Return-Path.
GETMAIL_FIELDS = re.compile(rb"^(?:Return-Path: <unknown>|X-getmail-[^:]*:.*)\r?\n", re.MULTILINE)


def delivered(folder: pathlib.Path) -> list[str]:
    return sorted(digest_of(GETMAIL_FIELDS.sub(b"", file.read_bytes())) for file in (folder / "delivered").iterdir())


def wanted() -> list[str]:
    return sorted(digest_of(octets) for octets, _ in MESSAGES)


def test_fetchmail_takes_everything_once(system, account, tmp_path):
    need("fetchmail")
    fill(system, account, MESSAGES)
    configuration = tmp_path / "fetchmailrc"
    configuration.write_text(
        f'set invisible\nset no bouncemail\npoll localhost service {system.port("imaps")} protocol IMAP\n'
        f'  user "{account["address"]}" password "{account["password"]}" ssl sslcertck '
        f'sslcertfile "{system.home}/tls/ca.pem"\n  nokeep norewrite mda "{delivery_script(tmp_path)}"\n')
    configuration.chmod(0o600)
    words = ["fetchmail", "--nodetach", "--fetchmailrc", str(configuration)]
    run(*words, env=os.environ | {"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)})
    assert delivered(tmp_path) == wanted()
    assert stored(system, account) == {}
    # Nothing is left: it says so by its status, and nothing comes twice.
    again = subprocess.run(words, capture_output=True, text=True, timeout=60,
                           env=os.environ | {"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)})
    assert again.returncode == 1, again.stdout + again.stderr
    assert delivered(tmp_path) == wanted()


@pytest.mark.parametrize("removes", [True, False], ids=["and-removes", "and-leaves"])
def test_getmail_takes_everything_once(system, account, tmp_path, removes):
    need("getmail")
    fill(system, account, MESSAGES[:20])
    fill(system, account, MESSAGES[20:], "Archive")
    (tmp_path / "getmailrc").write_text(
        f"[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = {system.port('imaps')}\n"
        f"username = {account['address']}\npassword = {account['password']}\nmailboxes = ('INBOX', 'Archive')\n"
        f"ca_certs = {system.home}/tls/ca.pem\n\n"
        f"[destination]\ntype = MDA_external\npath = {delivery_script(tmp_path)}\nallow_root_commands = true\n\n"
        f"[options]\nread_all = false\ndelete = {str(removes).lower()}\nreceived = false\ndelivered_to = false\n")
    for _ in range(2):
        run("getmail", "--getmaildir", str(tmp_path), env=os.environ | {"HOME": str(tmp_path)})
        assert delivered(tmp_path) == wanted()
    assert len(stored(system, account)) == (0 if removes else 20)
    assert len(stored(system, account, "Archive")) == (0 if removes else 20)


def test_dovecot_migrates_an_account_with_imapc(system, account, tmp_path):
    """`doveadm backup` from another server, as whoever moves to Dovecot does: every mailbox, message and flag."""
    need("doveadm")
    source = random.Random(1871)
    with Server(system, account) as server:
        server.create("Work/2026")
        for mailbox in ("INBOX", "Work/2026", "Archive"):
            server.append(mailbox, [
                (random_message(source, f"{mailbox.lower()}-{number}"), source.choice(["", "S", "FS", "DR"]))
                for number in range(30)])
        expected = server.contents()
    migrated = tmp_path / "migrated"
    migrated.mkdir()
    user, group = owner_of_mail(migrated)
    configuration = tmp_path / "dovecot.conf"
    configuration.write_text(
        f"base_dir = {migrated}/run\nlog_path = /dev/stderr\nssl_client_ca_file = {system.home}/tls/ca.pem\n"
        f"mail_location = maildir:{migrated}/maildirs:LAYOUT=fs:INBOX={migrated}/maildirs/INBOX\nmail_fsync = never\n"
        "namespace inbox {\n  inbox = yes\n  separator = /\n}\nfirst_valid_uid = 0\nfirst_valid_gid = 0\n"
        f"mail_uid = {user}\nmail_gid = {group}\n"
        f"imapc_host = 127.0.0.1\nimapc_port = {system.port('imaps')}\nimapc_ssl = imaps\n"
        f"imapc_user = {account['address']}\nimapc_password = {account['password']}\n"
        "imapc_features = rfc822.size fetch-headers fetch-bodystructure search\n")
    for _ in range(2):
        run("doveadm", "-c", str(configuration), "backup", "-R", "imapc:",
            env=os.environ | {"HOME": str(migrated), "USER": "migrated"})
        assert_same(Maildirs(migrated / "maildirs").contents(), expected, "what was migrated")


# ---- Programs that sort

def test_imapfilter_sorts_flags_and_removes(system, account, tmp_path):
    need("imapfilter")
    fill(system, account, [(message(subject, body), "") for subject, body in [
        ("list-1", "Hello.\r\n"), ("list-2", "Hello.\r\n"), ("keep", "a needle in it\r\n"), ("spam", "Hello.\r\n")]])
    configuration = tmp_path / "config.lua"
    configuration.write_text(f"""
options.timeout = 60
options.create = true
options.subscribe = true
local account = IMAP {{ server = 'localhost', port = {system.port("imaps")}, ssl = 'auto',
                        username = '{account["address"]}', password = '{account["password"]}' }}
account:create_mailbox('Lists')
local lists = account.INBOX:contain_subject('list-') * account.INBOX:is_unseen()
lists:move_messages(account['Lists'])
account.INBOX:contain_body('needle'):mark_flagged()
account.INBOX:match_subject('^sp.m$'):delete_messages()
local all = account.INBOX:check_status()
assert(all == 1, all)
""")
    run("imapfilter", "-c", str(configuration), "-t", f"{system.home}/tls/ca.pem",
        env=os.environ | {"HOME": str(tmp_path)})
    assert {subject: letters.replace("S", "") for subject, letters in stored(system, account).items()} == {"keep": "F"}
    assert sorted(stored(system, account, "Lists")) == ["list-1", "list-2"]


def test_mailutil_copies_a_mailbox(system, account, tmp_path):
    """The c-client library of the University of Washington, which alpine and PHP read mail with."""
    need("mailutil")
    fill(system, account, [(message(f"m{number}"), "S" if number % 2 else "F") for number in range(10)])
    server = f"{{localhost:{system.port('imaps')}/imap/ssl/novalidate-cert/user={account['address']}}}"
    password = {b"assword:": account["password"].encode() + b"\n"}
    environment = os.environ | {"HOME": str(tmp_path)}
    checked = run_in_terminal("mailutil", "check", f"{server}INBOX", answers=password, env=environment)
    assert "(5 unseen), 10 total in" in checked
    run_in_terminal("mailutil", "copy", f"{server}INBOX", f"{server}Copied", answers=password, env=environment)
    assert stored(system, account, "Copied") == stored(system, account)
    # It ends so whatever it did.
    pruned = run_in_terminal("mailutil", "prune", f"{server}INBOX", "FLAGGED", answers=password, env=environment,
                             status=1)
    assert "5 message(s) purged" in pruned
    assert list(stored(system, account)) == ["m1", "m3", "m5", "m7", "m9"]


def test_s_nail_reads_a_message(system, account, tmp_path):
    need("s-nail")
    fill(system, account, [(message("first"), ""), (message("second", "a needle\r\n"), "")])
    user = account["address"].replace("@", "%40")
    answer = subprocess.run(
        ["s-nail", "-n", "-#", "-R", "-S", "v15-compat", "-S", "tls-verify=strict",
         "-S", f"tls-ca-file={system.home}/tls/ca.pem", "-S", "tls-ca-no-defaults", "-S", "imap-use-starttls=no",
         "-f", f"imaps://{user}:{account['password']}@localhost:{system.port('imaps')}/INBOX"],
        input="from *\ntype 2\nexit\n", capture_output=True, text=True, timeout=60,
        env=os.environ | {"HOME": str(tmp_path), "MAILRC": "/dev/null"})
    assert "first" in answer.stdout and "a needle" in answer.stdout, answer.stdout + answer.stderr
