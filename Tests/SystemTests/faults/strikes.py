"""The kinds of faults, as they strike a Martlet. Each returns what it did, or raises `Skipped` with the reason."""

import collections
import contextlib
import os
import random
import signal
import threading
import time

from .cutter import Cutter
from .journal import Journal
from .martlet import Martlet
from .processes import is_alive
from .schedule import Strike

FRONTS = ("smtp-ingress", "imap-access")
# Who does not end on SIGTERM for so long may have been cut off in what it did, as if it had died: a service breaks off
# what is still under way after 25 s (drain_limit), and supervisord kills it after 35 s.
STOP_PATIENCE = 24
# Storage takes a process for dead that has told it nothing for 15 s (receipt.settler_silence).
SILENCE_PATIENCE = 14
# What PostgreSQL takes at most to be there again.
RECOVERY_SECONDS = 5


class Skipped(Exception):
    """This strike could not be done; the text says why."""


class Striker:
    """Runs a schedule. What lasts (a stop, a restart, a full disk) ends by itself while other faults strike."""

    kinds = ["kill", "kill-service", "kill-backend", "kill-postgresql", "stop", "cut-reset", "cut-silence",
             "rolling-restart", "scale", "disk-full-postgresql", "disk-full-spool", "clock"]

    def __init__(self, system: Martlet, journal: Journal, cutter: Cutter, verbose: bool = True) -> None:
        self.system, self.journal, self.cutter, self.verbose = system, journal, cutter, verbose
        self.done: collections.Counter[str] = collections.Counter()
        self.skipped: dict[str, str] = {}
        self.skipped_count: collections.Counter[str] = collections.Counter()
        # What was done when, in seconds of the journal.
        self.log: list[tuple[float, str]] = []
        self._undo: list[tuple[float, object]] = []
        # When nobody could tell storage anything, and for how long.
        self._outages: list[tuple[float, float]] = []
        # One change of the set of processes at a time.
        self._operation: threading.Thread | None = None
        self._lock = threading.Lock()
        self.failure: BaseException | None = None

    def run(self, schedule: list[Strike], started: float, is_stopping) -> None:
        """Strikes in order, each at its time or as soon as the one before is done."""
        try:
            for strike in schedule:
                while (remaining := started + strike.at - time.monotonic()) > 0 and not is_stopping():
                    self._undo_ripe()
                    time.sleep(min(0.05, remaining))
                if is_stopping():
                    break
                self._undo_ripe()
                self._strike(strike)
        except BaseException as failure:
            self.failure = failure
            raise
        finally:
            self.calm()

    def _strike(self, strike: Strike) -> None:
        try:
            what = getattr(self, strike.kind.replace("-", "_"))(strike.source())
            self.done[strike.kind] += 1
        except Skipped as reason:
            self.skipped[strike.kind] = str(reason)
            self.skipped_count[strike.kind] += 1
            what = f"skipped: {reason}"
        self.say(f"{strike.kind}: {what}")

    def say(self, text: str) -> None:
        when = time.monotonic() - self.journal.started
        with self._lock:
            self.log.append((when, text))
        if self.verbose:
            print(f"{when:9.3f} s  {text}", flush=True)

    # ---- What ends by itself

    def _later(self, seconds: float, action) -> None:
        self._undo.append((time.monotonic() + seconds, action))

    def _undo_ripe(self, everything: bool = False) -> None:
        now = time.monotonic()
        ripe = [action for when, action in self._undo if everything or when <= now]
        self._undo = [item for item in self._undo if not everything and item[0] > now]
        for action in ripe:
            with contextlib.suppress(Skipped):
                action()

    def calm(self) -> None:
        """Everything that lasts ends now."""
        self._undo_ripe(everything=True)
        if self._operation:
            self._operation.join(timeout=600)

    # ---- Processes

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError as error:
            raise Skipped("it had ended already") from error

    def _kill(self, name: str, pid: int) -> None:
        service = name.split(".")[0]
        if service in FRONTS:
            self.journal.died(service)
        self._signal(pid, signal.SIGKILL)

    def _choose(self, source: random.Random) -> tuple[str, int]:
        # Each service as often as another, whatever its replicas; drawn by name, so that the seed decides.
        draws = source.random(), source.random()
        services = self.system.services()
        if not services:
            raise Skipped("no service runs")
        kinds = sorted({name.split(".")[0] for name in services})
        kind = kinds[int(draws[0] * len(kinds))]
        replicas = sorted(name for name in services if name.split(".")[0] == kind)
        name = replicas[int(draws[1] * len(replicas))]
        return name, services[name]

    def kill(self, source: random.Random) -> str:
        name, pid = self._choose(source)
        self._kill(name, pid)
        return name

    def kill_service(self, source: random.Random) -> str:
        service = self._choose(source)[0].split(".")[0]
        names = {name: pid for name, pid in self.system.services().items() if name.split(".")[0] == service}
        for name, pid in names.items():
            self._kill(name, pid)
        return " ".join(names)

    def kill_backend(self, source: random.Random) -> str:
        draw = source.random()
        backends = self.system.backends()
        if not backends:
            raise Skipped("PostgreSQL serves nobody at the moment")
        self._signal(backends[int(draw * len(backends))], signal.SIGKILL)
        self._outage(RECOVERY_SECONDS)
        return "one PostgreSQL backend (PostgreSQL ends all others and recovers)"

    def kill_postgresql(self, source: random.Random) -> str:
        postmaster = self.system.postmaster()
        if postmaster is None:
            raise Skipped("PostgreSQL does not run at the moment")
        self._signal(postmaster, signal.SIGKILL)
        self._outage(RECOVERY_SECONDS)
        return "the postmaster"

    def stop(self, source: random.Random) -> str:
        seconds = source.uniform(1, 10)
        name, pid = self._choose(source)
        service, began = name.split(".")[0], time.monotonic()
        self._signal(pid, signal.SIGSTOP)
        if service == "storage":
            # What the others say to this one is not heard, and they say it to no other one meanwhile.
            self._outage(seconds)

        def go_on() -> None:
            if service in FRONTS:
                self._was_silent(service, began)
            if is_alive(pid):
                self._signal(pid, signal.SIGCONT)
        self._later(seconds, go_on)
        return f"{name} for {seconds:.1f} s"

    def _outage(self, seconds: float) -> None:
        self._outages.append((time.monotonic(), seconds))

    def _was_silent(self, service: str, since: float) -> None:
        """A process was stopped since then. With the outages that go over into one another and into that, storage may
        have heard nothing of it for so long that it took it for dead, and what it had to tell for lost."""
        until = time.monotonic()
        for when, seconds in sorted(self._outages, reverse=True):
            # Within a second between two of them it may not have come to tell anything.
            if when + seconds > since - 1:
                since, until = min(since, when), max(until, when + seconds)
        if until - since > SILENCE_PATIENCE:
            self.journal.died(service, since, until)
            self.say(f"stop: storage may have taken {service} for dead")

    # ---- Connections

    def cut_reset(self, source: random.Random) -> str:
        return self.cutter.cut(source, is_silent=False)

    def cut_silence(self, source: random.Random) -> str:
        return self.cutter.cut(source, is_silent=True)

    # ---- Operations

    def _operate(self, action) -> None:
        if self._operation and self._operation.is_alive():
            raise Skipped("a restart or a change of scale is still under way")
        self._operation = threading.Thread(target=action, daemon=True, name="operation")
        self._operation.start()

    def rolling_restart(self, source: random.Random) -> str:
        names = sorted(self.system.services())
        source.shuffle(names)

        def restart() -> None:
            for name in names:
                began = time.monotonic()
                answer = self.system.supervisorctl("restart", name)
                if time.monotonic() - began > STOP_PATIENCE and name.split(".")[0] in FRONTS:
                    self.journal.died(name.split(".")[0], began)
                    self.say(f"rolling-restart: {name} may not have ended within {STOP_PATIENCE} s, and been cut off")
                if "ERROR" in answer and "not running" not in answer:
                    self.say(f"rolling-restart: {name}: {' '.join(answer.split())}")
            self.say("rolling-restart: done")
        self._operate(restart)
        return " ".join(names)

    def scale(self, source: random.Random) -> str:
        service = source.choice(sorted(self.system.most_replicas))
        draw = source.random()
        most = self.system.most_replicas[service] + 1
        counts = [count for count in range(1, most + 1) if count != self.system.replicas[service]]
        count = counts[int(draw * len(counts))]

        def change() -> None:
            began = time.monotonic()
            # deploy/run waits until all is ready, which a fault may prevent: then it is run again, as it says.
            is_done = self.system.scale(service, count) or self.system.scale(service, count)
            if time.monotonic() - began > STOP_PATIENCE and service in FRONTS:
                # It may have been cut off after its time: nobody can tell.
                self.journal.died(service, began)
            self.say(f"scale: {service}={count} {'done' if is_done else 'not finished'} "
                     f"in {time.monotonic() - began:.1f} s")
        self._operate(change)
        return f"{service}={count}"

    # ---- Disks and clocks

    def _fill(self, name: str, source: random.Random) -> str:
        disk = self.system.disks.get(name)
        if disk is None:
            raise Skipped("the folder has no disk of its own (only root may mount)")
        seconds = source.uniform(1, 6)
        if name == "postgresql":
            self._outage(seconds + RECOVERY_SECONDS)
        disk.fill()
        self._later(seconds, disk.free)
        return f"for {seconds:.1f} s"

    def disk_full_postgresql(self, source: random.Random) -> str:
        return self._fill("postgresql", source)

    def disk_full_spool(self, source: random.Random) -> str:
        return self._fill("spool", source)

    def clock(self, source: random.Random) -> str:
        if self.system.clock is None:
            raise Skipped("no clock of one service can be set")
        service = self.system.clock_service
        offset, seconds = source.choice([-86_400, -3_600, -30, -2, 2, 30, 3_600, 86_400]), source.uniform(2, 12)
        replica = int(source.random() * self.system.replicas.get(service, 1))
        self.system.set_clock(replica, offset)
        self._later(seconds, lambda: self.system.set_clock(replica, 0))
        return f"{service}.{replica}: {offset:+d} s for {seconds:.1f} s"
