"""A private Dovecot: a second implementation to compare ENVELOPE and BODYSTRUCTURE with."""

import contextlib
import grp
import imaplib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

CONFIGURATION = """\
protocols = imap
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
mail_location = maildir:{home}/mail/%n
ssl = no
disable_plaintext_auth = no
listen = 127.0.0.1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 0
first_valid_gid = 0
passdb {{
  driver = static
  args = password=x
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%n allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


def owner_of_mail(folder: pathlib.Path) -> tuple[str, str]:
    """The user and group that Dovecot reads and writes the mail in a folder as, which become its owners: never root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    for parent in folder.parents:
        if parent.stat().st_mode & 0o5 != 0o5 and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o755)
    shutil.chown(folder, "dovecot", "dovecot")
    return "dovecot", "dovecot"


@contextlib.contextmanager
def dovecot(home: pathlib.Path):
    """An IMAP connection to a fresh, empty mailbox."""
    assert shutil.which("dovecot"), "dovecot is missing: deploy/test installs it"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for folder in ("run", "state", "mail"):
        (home / folder).mkdir()
    user, group = owner_of_mail(home / "mail")
    (home / "conf").write_text(CONFIGURATION.format(home=home, port=port, user=user, group=group))
    server = subprocess.Popen(["dovecot", "-F", "-c", str(home / "conf")])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                client = imaplib.IMAP4("127.0.0.1", port, timeout=30)
                break
            except OSError:
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.05)
        client.login("compare", "x")
        yield client
        client.logout()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
