"""The system under test: what `deploy/run` started in $MARTLET_HOME (deploy/test starts one for these tests).

The tests use clients that people use and talk to loopback only. Tests that stop or kill something wait until the
system is ready again before they end, so that any order works.

What a test made it removes, except for its account where MARTLET_IS_TEMPORARY says that the whole system goes in the
end (deploy/test).
"""

import contextlib
import json
import os
import pathlib
import ssl
import subprocess
import time
import uuid

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


class System:
    """A running Martlet: its ports, accounts and commands."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.connection = json.loads((home / "connection.json").read_text())
        self.alice, self.bob = self.connection["accounts"][:2]
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def port(self, name: str) -> int:
        return self.connection[name]["port"]

    def host(self, name: str) -> str:
        return self.connection[name]["host"]

    def command(self, *words: str, **options) -> subprocess.CompletedProcess:
        """Runs the operator's command; unless `check` is false it must come to a good end."""
        check = options.pop("check", True)
        binary = os.environ.get("MARTLET_COMMAND", str(CHECKOUT / ".build-release" / "release" / "martlet"))
        done = subprocess.run(
            [binary, *words], text=True, capture_output=True, timeout=60,
            env=os.environ | {"MARTLET_HOME": str(self.home)}, **options)
        # What it said of the failure stands in the failure.
        assert done.returncode == 0 or not check, f"martlet {' '.join(words)}: {done.returncode}\n{done.stderr}"
        return done

    @contextlib.contextmanager
    def account(self):
        """A fresh account, for as long as it is wanted."""
        login = {"address": f"t{uuid.uuid4().hex[:12]}@example.test", "password": uuid.uuid4().hex}
        self.command("account", "add", login["address"], "--password-stdin", input=login["password"] + "\n")
        try:
            yield login
        finally:
            if not os.environ.get("MARTLET_IS_TEMPORARY"):
                self.command("account", "remove", login["address"], check=False)

    def supervisor(self, *words: str) -> str:
        return subprocess.run(
            ["supervisorctl", "-c", str(self.home / "supervisord.conf"), *words],
            text=True, capture_output=True, timeout=60).stdout

    def programs(self) -> dict[str, int]:
        """Process id of each program that runs, by supervisord's name for it."""
        found = {}
        for line in self.supervisor("status").splitlines():
            words = line.split()
            if len(words) >= 4 and words[1] == "RUNNING":
                found[words[0]] = int(words[3].rstrip(","))
        return found

    def ready(self) -> bool:
        """Every service says so, and supervisord counts none as just starting."""
        states = [line.split()[1] for line in self.supervisor("status").splitlines() if len(line.split()) > 1]
        return set(states) == {"RUNNING"} and self.command("status", "--json", check=False).returncode == 0

    def wait_until_ready(self, seconds: float = 30) -> None:
        wait_until(self.ready, seconds, "the system is not ready")


def wait_until(condition, seconds: float = 10, message: str = "it did not happen"):
    """Polls a condition; returns its first true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message} within {seconds} s")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def system() -> System:
    home = os.environ.get("MARTLET_HOME")
    if not home or not (pathlib.Path(home) / "connection.json").exists():
        pytest.exit("MARTLET_HOME names no running system: use deploy/test system, or deploy/run --detach", 2)
    system = System(pathlib.Path(home))
    system.wait_until_ready()
    return system


@pytest.fixture
def account(system: System):
    """A fresh account of its own for one test."""
    with system.account() as login:
        yield login
