"""A Martlet of its own for one run: brought up with its replicas, struck, asked for its ledger, and taken down."""

import contextlib
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from .disks import SmallDisk
from .processes import children_of, command_line, is_alive
from .senders import Door

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PASSWORD = "numbered-messages"


def free_port_base() -> int:
    """A port base whose ports are free at this moment."""
    while True:
        base = random.randrange(10_000, 30_000, 50)
        try:
            for port in (24, 25, 143, 465, 587, 993):
                with socket.socket() as probe:
                    probe.bind(("0.0.0.0", base + port))
        except OSError:
            continue
        return base


class Martlet:
    """Started by `with`."""

    name = "Martlet"

    def __init__(self, replicas: dict[str, int], wants_disks: bool, clock_service: str | None) -> None:
        self.replicas = dict(replicas)
        self.most_replicas = dict(replicas)
        self.clock_service = clock_service
        self.disks: dict[str, SmallDisk] = {}
        self.wants_disks = wants_disks
        self.notes: list[str] = []
        self._stack = contextlib.ExitStack()

    # ---- Up and down

    def __enter__(self) -> "Martlet":
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="martlet-faults-", dir="/tmp"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = os.environ | {
            "MARTLET_HOME": str(self.home), "MARTLET_PORT_BASE": str(free_port_base()),
            "MARTLET_BUILD_DIR": str(self._copy_executables(folder / "build"))}
        self._prepare_disks(folder)
        self._prepare_clock(folder)
        self._stack.callback(self.deploy, "stop", check=False)
        scale = [word for name, count in self.replicas.items() for word in ("--scale", f"{name}={count}")]
        started = self.deploy("run", "--detach", "--no-build", *scale, check=False)
        if started.returncode != 0:
            raise SystemExit(f"the system did not come up:\n{started.stdout}\n{started.stderr}")
        self.connection = json.loads((self.home / "connection.json").read_text())
        self.socket_folder = next(
            line.split(":", 1)[1].strip() for line in (self.home / "martlet.yaml").read_text().splitlines()
            if line.strip().startswith("directory:"))

    def _copy_executables(self, folder: pathlib.Path) -> pathlib.Path:
        """The run keeps the executables that it began with, whoever builds meanwhile."""
        build = pathlib.Path(os.environ.get("MARTLET_BUILD_DIR", CHECKOUT / ".build-release"))
        source = (build / "release").resolve()
        target = folder / source.parent.name / source.name
        target.mkdir(parents=True)
        for file in source.glob("martlet*"):
            if file.is_file() and os.access(file, os.X_OK):
                shutil.copy2(file, target / file.name)
        return folder

    def _prepare_disks(self, folder: pathlib.Path) -> None:
        if not self.wants_disks:
            return
        for name, megabytes in (("postgresql", 20_000), ("spool", 200)):
            try:
                disk = SmallDisk(folder / f"{name}.image", self.home / name, megabytes)
            except (OSError, subprocess.SubprocessError) as error:
                self.notes.append(f"no disk of its own for {name}, so it cannot be full: {error}")
                continue
            self._stack.callback(disk.unmount)
            self.disks[name] = disk

    def _prepare_clock(self, folder: pathlib.Path) -> None:
        """Each replica of one service has a clock of day of its own: see clock.c.

        A script stands in the place of the executable, so that no other process has it.
        """
        self.clock: pathlib.Path | None = None
        if self.clock_service is None:
            return
        library = folder / "clock.so"
        try:
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("clock.c")],
                           check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            self.notes.append(f"clocks do not jump: {error}")
            return
        self.clock = folder / "clock"
        for replica in range(self.most_replicas.get(self.clock_service, 1) + 1):
            file = pathlib.Path(f"{self.clock}.{replica}")
            file.write_bytes(bytes(8))
            file.chmod(0o644)
        stand_in = next((folder / "build").rglob(f"martlet-{self.clock_service}"))
        executable = folder / "executable" / stand_in.name
        executable.parent.mkdir()
        stand_in.rename(executable)
        stand_in.write_text(
            "#!/bin/sh\nreplica=0\nbefore=\n"
            'for word; do if [ "$before" = --replica ]; then replica=$word; fi; before=$word; done\n'
            f"export LD_PRELOAD={library} FAULT_CLOCK={self.clock}.$replica\n"
            f'exec {executable} "$@"\n')
        stand_in.chmod(0o755)

    def set_clock(self, replica: int, seconds: int) -> None:
        """Seconds before or after the machine's time; the process sees it at once."""
        # In place: processes have the file mapped.
        with open(f"{self.clock}.{replica}", "r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    def deploy(self, script: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return subprocess.run([str(CHECKOUT / "deploy" / script), *words], check=check, env=self.environment, text=True,
                              capture_output=True, timeout=300, stdin=subprocess.DEVNULL)

    # ---- Accounts and doors

    def add_accounts(self, count: int) -> dict[str, str]:
        accounts = {f"f{number}@example.test": PASSWORD for number in range(count)}
        for address, password in accounts.items():
            subprocess.run([str(self.home / "bin" / "martlet"), "account", "add", address, "--password-stdin"],
                           input=password + "\n", text=True, check=True, env=self.environment, capture_output=True,
                           timeout=60)
        return accounts

    def doors(self) -> list[Door]:
        def port(name: str) -> int:
            return self.connection[name]["port"]
        return [
            Door("smtp", port("smtp"), "smtp-ingress", weight=4),
            Door("smtp STARTTLS", port("smtp"), "smtp-ingress", starts_tls=True, weight=2),
            Door("submissions", port("submissions"), "smtp-ingress", has_tls=True, needs_login=True, weight=1),
            Door("submission STARTTLS", port("submission"), "smtp-ingress", starts_tls=True, needs_login=True),
            Door("lmtp", port("lmtp"), "smtp-ingress", protocol="lmtp", weight=2),
            Door("imap STARTTLS", port("imap"), "imap-access", protocol="imap", starts_tls=True, needs_login=True,
                 weight=1),
            Door("imaps", port("imaps"), "imap-access", protocol="imap", has_tls=True, needs_login=True, weight=1),
        ]

    def audit_door(self) -> Door:
        return next(door for door in self.doors() if door.name == "imaps")

    # Trace fields that stand before a delivered message, and nothing else.
    trace_fields = (b"Return-Path", b"Received")

    # ---- Processes

    def supervisor(self) -> int:
        return int((self.home / "supervisord.pid").read_text())

    def services(self) -> dict[str, int]:
        """Process ids by name and replica, "storage.1"."""
        found = {}
        for pid in children_of(self.supervisor()):
            words = command_line(pid)
            program = pathlib.Path(words[0]).name if words else ""
            if program.startswith("martlet-") and "--replica" in words and is_alive(pid):
                found[f"{program.removeprefix('martlet-')}.{words[words.index('--replica') + 1]}"] = pid
        return found

    def postmaster(self) -> int | None:
        for pid in children_of(self.supervisor()):
            if pathlib.Path((command_line(pid) or [""])[0]).name == "postgres" and is_alive(pid):
                return pid
        return None

    def backends(self) -> list[int]:
        """PostgreSQL processes that work for storage or authentication."""
        postmaster = self.postmaster()
        return [pid for pid in children_of(postmaster or -1)
                if " martlet_" in (command_line(pid) or [""])[0]]

    def supervisorctl(self, *words: str) -> str:
        return subprocess.run(["supervisorctl", "-c", str(self.home / "supervisord.conf"), *words], text=True,
                              capture_output=True, timeout=120).stdout

    def scale(self, service: str, count: int) -> bool:
        self.replicas[service] = count
        done = self.deploy("run", "--detach", "--no-build", "--scale", f"{service}={count}", check=False)
        return done.returncode == 0

    def is_ready(self) -> bool:
        states = [line.split()[1] for line in self.supervisorctl("status").splitlines() if len(line.split()) > 1]
        if set(states) != {"RUNNING"}:
            return False
        status = subprocess.run([str(self.home / "bin" / "martlet"), "status", "--json"], env=self.environment,
                                capture_output=True, timeout=60)
        return status.returncode == 0

    def recover(self, seconds: float = 120) -> bool:
        """Waits until all is ready; false when it is not by itself, since supervisord gave something up in the run. That
        is started here all the same, so that there is something to compare."""
        for pid in [*self.services().values(), *self.backends()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.supervisorctl("status").splitlines():
                words = line.split()
                if len(words) > 1 and words[1] in ("FATAL", "EXITED", "STOPPED"):
                    self.notes.append(f"{words[0]} did not run ({words[1]}): started by the harness")
                    self.supervisorctl("start", words[0])
            if self.is_ready():
                break
            time.sleep(0.5)
        else:
            return False
        given_up = self.given_up()
        self.notes += [f"supervisord had given up {name}: it would have taken an operator" for name in given_up]
        return not given_up

    def given_up(self) -> list[str]:
        """Programs that supervisord has ever ceased to start: a restart or a change of scale may have started them since,
        but its log still says so."""
        logs = sorted((self.home / "log").glob("supervisord.log*"))
        return [name for log in logs
                for name in re.findall(r"gave up: (\S+) entered FATAL state", log.read_text(errors="replace"))]

    def flush(self) -> None:
        """Nothing waits in a queue: what was answered with 250 is in its mailbox."""

    # ---- The ledger

    def query(self, statement: str) -> list[str]:
        words = ["psql", "-X", "-A", "-t", "-F", " ", "-h", self.socket_folder, "-U", "postgres", "-d", "martlet",
                 "-v", "ON_ERROR_STOP=1", "-c", statement]
        if os.geteuid() == 0:
            user = pwd.getpwnam(os.environ.get("MARTLET_USER", "martlet")).pw_name
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *words]
        done = subprocess.run(words, text=True, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
        return done.stdout.splitlines() if done.returncode == 0 else [f"psql: {done.stderr.strip()}"]

    def ledger_counts(self) -> dict[str, int]:
        names = {1: "stored", 2: "queued", 3: "absorbed", 4: "refused", 5: "settled", 6: "expired"}
        counts = dict.fromkeys(names.values(), 0)
        for line in self.query("SELECT event, count(*) FROM mail.ledger GROUP BY event"):
            with contextlib.suppress(ValueError, KeyError):
                event, count = line.split()
                counts[names[int(event)]] = int(count)
        return counts

    def ledger_of(self, message_id: str) -> list[str]:
        """The ledger's and the receipts' lines about a message."""
        bare = message_id.strip("<>").replace("'", "''")
        known = f"SELECT transaction_id FROM mail.ledger WHERE message_id IN ('{bare}', '<{bare}>')"
        return self.query(
            "SELECT to_char(l.at, 'HH24:MI:SS.MS'), (ARRAY['stored', 'queued', 'repeated', 'refused', 'settled', "
            "'expired'])[l.event], 'transaction', l.transaction_id, 'first', coalesce(l.first_id::text, '-'), "
            "'account', l.account_id, 'uid', coalesce(l.uid::text, '-'), 'door', l.door, coalesce(l.forward_path, '-') "
            f"FROM mail.ledger l WHERE l.transaction_id IN ({known}) ORDER BY l.at") + self.query(
            f"SELECT 'receipt', row_to_json(r) FROM mail.receipts r WHERE r.transaction_id IN ({known})")


def uuid_of(transaction: str) -> str:
    """A transaction's id as a reply prints it, as PostgreSQL prints it."""
    value = 0
    for character in transaction:
        value = value << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(character)
    return str(uuid.UUID(int=value & (1 << 128) - 1))
