"""Martlet as `deploy/run` starts it, in a home and on ports of its own."""

import imaplib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile

from process_times import descendants

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


class MartletSystem:
    """Started by `with`; messages are counted through IMAP."""

    name = "Martlet"
    password = "benchmark-password"

    def __init__(self, port_base: int = 28000, home: str | None = None, build: bool = True) -> None:
        self.given_home = home
        self.port_base = port_base
        self.build = build

    def __enter__(self) -> "MartletSystem":
        self.home = pathlib.Path(self.given_home or tempfile.mkdtemp(prefix="martlet-benchmark-"))
        self.environment = os.environ | {
            "MARTLET_HOME": str(self.home), "MARTLET_PORT_BASE": str(self.port_base)}
        if not self.given_home:
            self.home.chmod(0o755)
            self.run()
        connection = json.loads((self.home / "connection.json").read_text())
        self.port = connection["smtp"]["port"]
        self.imaps = connection["imaps"]
        self.imap = connection["imap"]
        return self

    def __exit__(self, *_: object) -> None:
        if not self.given_home:
            self.deploy("stop")
            shutil.rmtree(self.home, ignore_errors=True)

    def deploy(self, *words: str) -> None:
        subprocess.run(
            [str(CHECKOUT / "deploy" / words[0]), *words[1:]], check=True, env=self.environment,
            stdout=subprocess.DEVNULL)

    def run(self, *words: str) -> None:
        self.deploy("run", "--detach", *([] if self.build else ["--no-build"]), *words)

    def scale(self, service: str, replicas: int) -> None:
        self.run("--scale", f"{service}={replicas}")

    def add_accounts(self, names: list[str]) -> None:
        for name in names:
            subprocess.run(
                [str(CHECKOUT / ".build-release" / "release" / "martlet"), "account", "add",
                 f"{name}@example.test", "--password-stdin"],
                input=self.password + "\n", text=True, check=True, env=self.environment,
                stdout=subprocess.DEVNULL)

    def query(self, statements: str) -> str:
        """What the database of this system answers, as its superuser."""
        sockets = self.home / "run"
        words = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(sockets), "-U", "postgres",
                 "-d", "martlet"]
        if os.geteuid() == 0:
            words = ["runuser", "-u", sockets.owner(), "--", *words]
        return subprocess.run(words, input=statements, text=True, check=True, capture_output=True).stdout.strip()

    def reader(self, name: str, seconds: float | None = None, source: str = "") -> imaplib.IMAP4_SSL:
        """A client that is logged in; `seconds` is how long it waits for any answer."""
        client = _Reader(self.imaps["host"], self.imaps["port"], seconds, source)
        client.login(f"{name}@example.test", self.password)
        return client

    def message_count(self, names: list[str]) -> int:
        total = 0
        for name in names:
            with self.reader(name) as client:
                answer = client.status("INBOX", "(MESSAGES)")[1][0].decode()
                total += int(answer.split("MESSAGES")[1].strip(" )"))
        return total

    def processes(self) -> dict[str, list[int]]:
        pid = int((self.home / "supervisord.pid").read_text()) if (self.home / "supervisord.pid").exists() else None
        if pid is None:
            candidates = list(self.home.rglob("supervisord.pid"))
            pid = int(candidates[0].read_text())
        return descendants([pid])


class _Reader(imaplib.IMAP4_SSL):
    """Trusts the private authority without asking, and connects from an address of one's choice."""

    def __init__(self, host: str, port: int, seconds: float | None, source: str) -> None:
        self.source = source
        super().__init__(host, port, ssl_context=_unverified(), timeout=seconds)

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        plain = socket.create_connection((self.host, self.port), timeout, (self.source, 0) if self.source else None)
        return self.ssl_context.wrap_socket(plain, server_hostname=self.host)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
