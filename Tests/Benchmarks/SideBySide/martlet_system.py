"""Martlet as `deploy/run` starts it, in a home and on ports of its own."""

import imaplib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from process_times import descendants

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


class MartletSystem:
    """Started by `with`; messages are counted through IMAP."""

    name = "Martlet"
    password = "benchmark-password"

    def __init__(self, port_base: int = 28000, home: str | None = None) -> None:
        self.given_home = home
        self.port_base = port_base

    def __enter__(self) -> "MartletSystem":
        self.home = pathlib.Path(self.given_home or tempfile.mkdtemp(prefix="martlet-benchmark-"))
        self.environment = os.environ | {
            "MARTLET_HOME": str(self.home), "MARTLET_PORT_BASE": str(self.port_base)}
        if not self.given_home:
            self.home.chmod(0o755)
            self.deploy("run", "--detach")
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

    def scale(self, service: str, replicas: int) -> None:
        self.deploy("run", "--detach", "--scale", f"{service}={replicas}")

    def add_accounts(self, names: list[str]) -> None:
        for name in names:
            subprocess.run(
                [str(CHECKOUT / ".build-release" / "release" / "martlet"), "account", "add",
                 f"{name}@example.test", "--password-stdin"],
                input=self.password + "\n", text=True, check=True, env=self.environment,
                stdout=subprocess.DEVNULL)

    def message_count(self, names: list[str]) -> int:
        total = 0
        for name in names:
            with imaplib.IMAP4_SSL(self.imaps["host"], self.imaps["port"], ssl_context=_unverified()) as client:
                client.login(f"{name}@example.test", self.password)
                answer = client.status("INBOX", "(MESSAGES)")[1][0].decode()
                total += int(answer.split("MESSAGES")[1].strip(" )"))
        return total

    def processes(self) -> dict[str, list[int]]:
        pid = int((self.home / "supervisord.pid").read_text()) if (self.home / "supervisord.pid").exists() else None
        if pid is None:
            candidates = list(self.home.rglob("supervisord.pid"))
            pid = int(candidates[0].read_text())
        return descendants([pid])


def _unverified():
    import ssl
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
