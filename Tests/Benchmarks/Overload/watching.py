"""What the system does meanwhile: memory, descriptors and CPU time of each program, and how soon IMAP answers."""

import threading
import time

from process_times import cpu_seconds, descriptors, resident


def quantile(values: list[float], share: float) -> float | None:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


class _Repeated:
    """Does something again and again in a thread of its own, from `with` to its end."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.repeat, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()

    def repeat(self) -> None:
        due = time.monotonic()
        while not self.ending.is_set():
            self.once()
            # What took longer than the interval is not made up for.
            due = max(due + self.interval, time.monotonic())
            self.ending.wait(due - time.monotonic())

    def once(self) -> None:
        raise NotImplementedError


class ProcessWatch(_Repeated):
    """The highest resident memory and number of descriptors of each program, replicas added up, and its CPU time."""

    def __init__(self, system) -> None:
        super().__init__(interval=0.25)
        self.system = system
        self.memory_kb: dict[str, int] = {}
        self.descriptors: dict[str, int] = {}

    def __enter__(self):
        self.processes = {
            name: pids for name, pids in self.system.processes().items()
            if name.startswith("martlet-") or name.startswith("postgres")}
        self.cpu_before = {name: cpu_seconds(pids) for name, pids in self.processes.items()}
        self.began = time.monotonic()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        seconds = time.monotonic() - self.began
        self.cpu_share = {
            name: (cpu_seconds(pids) - self.cpu_before[name]) / seconds for name, pids in self.processes.items()}

    def once(self) -> None:
        for name, pids in self.processes.items():
            # PostgreSQL's processes share most of their pages: the largest one says more than the sum.
            combine = max if name.startswith("postgres") else sum
            self.memory_kb[name] = max(self.memory_kb.get(name, 0), combine(resident(pids).values() or [0]))
            self.descriptors[name] = max(self.descriptors.get(name, 0), sum(map(descriptors, pids)))

    def figures(self) -> dict:
        return {
            name: {
                "highest_memory_mb": round(self.memory_kb.get(name, 0) / 1000, 1),
                "highest_descriptors": self.descriptors.get(name, 0),
                "cpu_share": round(self.cpu_share[name], 3),
            } for name in sorted(self.processes)}


class ImapProbe(_Repeated):
    """Once a second a reader connects, logs in, SELECTs INBOX and FETCHes the newest message."""

    limit = 30.0

    def __init__(self, system, account: str) -> None:
        super().__init__(interval=1.0)
        self.system = system
        self.account = account
        self.times: dict[str, list[float]] = {"login": [], "select": [], "fetch": [], "all": []}
        self.failures: list[str] = []

    def once(self) -> None:
        moments = [time.monotonic()]
        try:
            with self.system.reader(self.account, seconds=self.limit) as client:
                moments.append(time.monotonic())
                answer = client.select("INBOX", readonly=True)
                moments.append(time.monotonic())
                if int(answer[1][0]):
                    client.fetch("*", "(UID ENVELOPE BODY.PEEK[])")
                moments.append(time.monotonic())
        except Exception as error:  # imaplib has no narrower base for what may go wrong
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        for name, begin, end in zip(("login", "select", "fetch"), moments, moments[1:]):
            self.times[name].append(end - begin)
        self.times["all"].append(moments[-1] - moments[0])

    def figures(self) -> dict:
        return {
            "probes": len(self.times["all"]),
            "failures": self.failures,
            "milliseconds": {
                name: {"p50": milliseconds(quantile(values, 0.5)), "max": milliseconds(max(values, default=None))}
                for name, values in self.times.items()},
        }


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
