"""The two servers, each with IMAP over TLS at a port of its own."""

import base64
import hashlib
import hmac
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "SideBySide"))

from martlet_system import MartletSystem
from postfix_dovecot import free_port, wait_for_port
from process_times import descendants
from wire import Wire

CONFIGURATION = """\
protocols = imap
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
mail_location = maildir:{home}/mail/%n
mail_fsync = optimized
ssl = required
ssl_cert = <{home}/certificate
ssl_key = <{home}/key
listen = 127.0.0.1
default_internal_user = dovecot
{room}
default_login_user = dovenull
first_valid_uid = 1
auth_username_format = %n
auth_mechanisms = plain scram-sha-256
mail_max_userip_connections = 0
passdb {{
  driver = static
  args = password={verifier}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/mail/%n allow_all_users=yes
}}
service imap {{
  client_limit = 1
  process_limit = {sessions}
}}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {port}
    ssl = yes
  }}
}}
"""


def verifier(password: str, iterations: int = 10_000) -> str:
    """A stored verifier of SCRAM-SHA-256 as Dovecot writes it; `doveadm pw` makes none of as many iterations as Martlet's
    `password.iterations`."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    parts = (base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client).digest(), server))
    return f"{{SCRAM-SHA-256}}{iterations}," + ",".join(parts)


class Dovecot:
    """Debian's Dovecot with Maildir and fsync; a process for each session, so that their number needs a limit.
    What it knows of the password is as strong as what Martlet knows."""

    name = "Dovecot"
    password = "benchmark-password"

    def __init__(self, sessions: int = 2000) -> None:
        self.sessions = sessions

    def __enter__(self) -> "Dovecot":
        if os.geteuid() != 0 or shutil.which("dovecot") is None:
            raise SystemExit("the peer needs root and dovecot: apt-get install dovecot-imapd")
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="martlet-peer-"))
        self.home.chmod(0o755)
        for folder in ("run", "state", "mail"):
            (self.home / folder).mkdir()
        shutil.chown(self.home / "mail", "mail", "mail")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=peer.example.test", "-keyout", str(self.home / "key"), "-out",
             str(self.home / "certificate")], check=True, capture_output=True)
        self.imaps = free_port()
        room = f"default_client_limit = {2 * self.sessions}\ndefault_vsz_limit = 1G" if self.sessions > 2000 else ""
        (self.home / "conf").write_text(
            CONFIGURATION.format(
                home=self.home, port=self.imaps, sessions=self.sessions, room=room, verifier=verifier(self.password)))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.home / "conf")])
        wait_for_port(self.imaps)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        shutil.rmtree(self.home, ignore_errors=True)

    def add_accounts(self, names: list[str]) -> None:
        """Every name is there already."""

    def user(self, name: str) -> str:
        return name

    def fill(self, user: str, messages: Iterable[bytes]) -> None:
        """Puts messages into an INBOX that nobody has opened, as files: one APPEND after the other takes it ever longer."""
        box = self.home / "mail" / user
        for folder in ("cur", "new", "tmp"):
            (box / folder).mkdir(parents=True)
        for number, message in enumerate(messages):
            lines = message.replace(b"\r\n", b"\n")
            # With both sizes in the name, as Dovecot's own deliveries have them.
            name = f"{1_700_000_000 + number}.M{number}.bench,S={len(lines)},W={len(message)}:2,"
            (box / "cur" / name).write_bytes(lines)
        for path in (box, *box.iterdir(), *(box / "cur").iterdir()):
            shutil.chown(path, "mail", "mail")

    def forget(self, name: str) -> None:
        """Takes away what it has remembered of the messages, so that it has to look at them again."""
        for cache in (self.home / "mail" / name).rglob("dovecot.index.cache*"):
            cache.unlink()

    def processes(self) -> dict[str, list[int]]:
        return descendants([self.process.pid])


class Martlet(MartletSystem):
    """The working tree's release build."""

    def __enter__(self) -> "Martlet":
        super().__enter__()
        self.imaps = self.imaps["port"]
        return self

    def user(self, name: str) -> str:
        return f"{name}@example.test"

    def fill(self, name: str, messages: Iterable[bytes]) -> None:
        """Puts messages into an INBOX."""
        messages = iter(messages)
        with Wire(self.imaps, self.user(name), self.password) as wire:
            while some := list(itertools.islice(messages, 500)):
                wire.append("INBOX", some, pipelined=True)

    def forget(self, name: str) -> None:
        """The envelopes are made when a message comes. What IMAP access has remembered of them goes with its process."""
        old = self.processes()["martlet-imap-access"]
        for pid in old:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if not set(old) & set(self.processes().get("martlet-imap-access", [])):
                    Wire(self.imaps, self.user(name), self.password).__exit__()
                    return
            except (OSError, RuntimeError):
                pass
            time.sleep(0.05)
        raise RuntimeError("IMAP access has not come back")
