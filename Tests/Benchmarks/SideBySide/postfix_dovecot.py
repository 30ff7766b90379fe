"""The peer: a private Postfix that hands to a private Dovecot by LMTP, Maildir, fsync on.

Everything lives in one temporary directory and on loopback ports; the machine's own Postfix and Dovecot
configuration is not touched. Needs root, because Postfix does.
"""

import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = peer.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.test
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
lmtp_destination_concurrency_limit = 20
message_size_limit = 52428800
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
alias_maps =
local_recipient_maps =
"""

MASTER_CF = """\
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_CONF = """\
protocols = lmtp imap
base_dir = {home}/dovecot
state_dir = {home}/dovecot-state
log_path = {home}/dovecot.log
mail_location = maildir:{home}/mail/%n
mail_fsync = optimized
ssl = no
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
listen = 127.0.0.1
passdb {{
  driver = static
  args = password=benchmark
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/mail/%n allow_all_users=yes
}}
service lmtp {{
  process_min_avail = 4
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
protocol lmtp {{
  auth_username_format = %n
}}
auth_username_format = %n
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing answers on port {port} after {seconds} s")
            time.sleep(0.05)


class PostfixDovecot:
    """Started by `with`; delivers any address of example.test into a Maildir of its own."""

    name = "Postfix + Dovecot"

    def __enter__(self) -> "PostfixDovecot":
        if os.geteuid() != 0:
            raise SystemExit("the peer needs root: Postfix starts no other way")
        for program in ("postfix", "dovecot", "smtp-source"):
            if shutil.which(program) is None:
                raise SystemExit(f"{program} is missing: apt-get install postfix dovecot-imapd dovecot-lmtpd")
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-peer-"))
        self.home.chmod(0o755)
        self.port, self.lmtp, self.imap = free_port(), free_port(), free_port()
        values = {"home": self.home, "smtp": self.port, "lmtp": self.lmtp, "imap": self.imap}
        for directory in ("spool", "data", "mail", "etc", "dovecot", "dovecot-state"):
            (self.home / directory).mkdir()
        shutil.chown(self.home / "data", "postfix")
        shutil.chown(self.home / "mail", "mail", "mail")
        (self.home / "etc" / "main.cf").write_text(MAIN_CF.format(**values))
        (self.home / "etc" / "master.cf").write_text(MASTER_CF.format(**values))
        (self.home / "dovecot.conf").write_text(DOVECOT_CONF.format(**values))
        self.dovecot = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.home / "dovecot.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(
            ["postfix", "-c", str(self.home / "etc"), "start"], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in (self.port, self.lmtp, self.imap):
            wait_for_port(port)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            ["postfix", "-c", str(self.home / "etc"), "stop"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.dovecot.send_signal(signal.SIGTERM)
        self.dovecot.wait(timeout=20)
        shutil.rmtree(self.home, ignore_errors=True)

    def add_accounts(self, names: list[str]) -> None:
        """Every address is there already."""

    def message_count(self, names: list[str]) -> int:
        """Messages that are in the mailboxes now."""
        total = 0
        for name in names:
            for folder in ("new", "cur"):
                total += len(glob.glob(f"{glob.escape(str(self.home))}/mail/{name}/{folder}/*"))
        return total

    def processes(self) -> dict[str, list[int]]:
        """Process ids by program name."""
        roots = [self.dovecot.pid]
        pid_file = self.home / "spool" / "pid" / "master.pid"
        if pid_file.exists():
            roots.append(int(pid_file.read_text()))
        from process_times import descendants
        return descendants(roots)
