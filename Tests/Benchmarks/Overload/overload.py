#!/usr/bin/env python3
"""Whether the system stays calm: overload, a greedy neighbour, slow clients, scaling while mail flows.

    overload.py                        everything, against a system of its own
    overload.py --only overload        the best rate in a closed loop, then 1, 2 and 10 times of it offered
    overload.py --only fairness        one session beside a flood from another address
    overload.py --only slow            1,000 slow SMTP clients beside a load, and IMAP readers that do not read
    overload.py --only scale           one ingress, three, one, while mail flows
    overload.py --home DIR             against the system of that MARTLET_HOME, already running
    overload.py --json                 figures for a program; --plot FILE writes the course of the overload as SVG

Offered means: so many messages a second come into being with clients that do not care how the server does. Each
takes a session that is free, or connects if fewer than --sessions are open; otherwise it waits for one, and after
--limit seconds it counts as not answered. Who is refused gives its place to the next one at once. Each connection
brings 20 messages at most; the connections come from 250 addresses. Latency is the time from the first octet of MAIL
to the last of 250. The generator shares the machine: what it used is in its CPU share, in cores.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "SideBySide"))

from load import Load, build_generator
from martlet_system import MartletSystem
from overload_plot import overload_svg
from process_times import resident
from slow_clients import SlowReaders, SlowSenders
from tables import print_results
from watching import ImapProbe, ProcessWatch

FACTORS = (1, 2, 10)
# Names of its own in each run, so that a mailbox holds this run's messages and nothing else.
ACCOUNTS = [f"overload{os.getpid()}n{number}" for number in range(10)]
LARGE = f"overload{os.getpid()}large"


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Benchmark:
    def __init__(self, system: MartletSystem, options: argparse.Namespace) -> None:
        self.system = system
        self.options = options
        self.seconds = options.seconds
        self.accepted = 0
        self.uncertain = 0

    def load(self, **values) -> Load:
        return Load(port=self.system.port, recipients=ACCOUNTS, limit=self.options.limit, **(
            {"seconds": self.seconds} | values))

    def counted(self, report: dict) -> dict:
        """Keeps the sum of what must be in the mailboxes, and of what may be."""
        self.accepted += report["accepted"]
        self.uncertain += report["lost"]["after_dot"] + report["no_reply"]
        return report

    def observed(self, load: Load) -> dict:
        with ProcessWatch(self.system) as watch, ImapProbe(self.system, ACCOUNTS[0]) as probe:
            report = self.counted(load.run())
        return {"report": report, "processes": watch.figures(), "imap": probe.figures()}

    def best(self) -> dict:
        """The best rate that is sustained: 50 sessions, each with its next message as soon as the last is accepted."""
        self.counted(self.load(seconds=3).run())
        return self.observed(self.load(seconds=self.seconds + 2, warmup=2))

    # MARK: The four parts

    def overload(self) -> dict:
        best = self.best()
        rate = best["report"]["accepted_rate"]
        note(f"best: {rate:.0f}/s")
        loads = []
        for factor in FACTORS:
            self.rest()
            figures = self.observed(self.load(
                rate=rate * factor, seconds=self.seconds + 2, warmup=2, sessions=self.options.sessions,
                messages_per_session=20, source="127.1.0.1", sources=250))
            figures |= {
                "factor": factor, "offered_rate": rate * factor,
                "relative_to_best": figures["report"]["accepted_rate"] / rate}
            note(f"offered {factor}x: accepted {figures['report']['accepted_rate']:.0f}/s")
            loads.append(figures)
        return {"best": best, "loads": loads}

    def fairness(self) -> dict:
        def single() -> dict:
            return self.counted(self.load(sessions=1, source="127.0.0.3").run())

        alone = single()
        rows = []
        for sessions, meaning in ((50, "a busy sender"), (450, "below the limit of one address"),
                                  (1000, "above it; the refused connect again at once")):
            self.rest()
            flood = self.load(seconds=self.seconds + 2, sessions=sessions, source="127.0.0.2").start()
            time.sleep(1)
            beside = single()
            rows.append({
                "flood_sessions": sessions, "meaning": meaning, "single": beside,
                "flood": self.counted(flood.report()),
                "rate_ratio": beside["accepted_rate"] / alone["accepted_rate"]})
            note(f"beside {sessions} sessions: {beside['accepted_rate']:.1f}/s, alone {alone['accepted_rate']:.1f}/s")
        return {"alone": alone, "beside": rows}

    def slow(self) -> dict:
        without = self.observed(self.load(seconds=self.seconds + 2, warmup=2))
        memory_before = self.memory("martlet-smtp-ingress")
        host, port = "127.0.0.1", self.system.port
        with SlowSenders(host, port, self.options.slow_clients, f"{ACCOUNTS[0]}@example.test") as slow:
            time.sleep(3)
            growth = self.memory("martlet-smtp-ingress") - memory_before
            there = dict(slow.open)
            beside = self.observed(self.load(seconds=self.seconds + 2, warmup=2))
            left = dict(slow.open)
        self.rest()
        senders = {
            "without": without, "with": beside, "open_at_first": there, "open_at_last": left, "refused": slow.refused,
            "ended_by_server": slow.ended, "memory_growth_kb": growth,
            "memory_kb_a_connection": growth / max(1, sum(there.values()))}
        note(f"beside {sum(there.values())} slow clients: {beside['report']['accepted_rate']:.0f}/s,"
             f" without {without['report']['accepted_rate']:.0f}/s")
        return {"senders": senders, "readers": self.slow_readers(without)}

    def slow_readers(self, without: dict) -> dict:
        large = Load(
            port=self.system.port, recipients=[LARGE], seconds=1, sessions=4, octets=1_000_000, limit=60).run()
        services = ("martlet-imap-access", "martlet-storage")
        before = {name: self.memory(name) for name in services}
        with SlowReaders(self.system, LARGE, self.options.slow_readers) as readers:
            time.sleep(3)
            growth = {name: self.memory(name) - before[name] for name in services}
            beside = self.observed(self.load(seconds=self.seconds + 2, warmup=2))
        note(f"beside {len(readers.clients)} readers that do not read: {beside['report']['accepted_rate']:.0f}/s")
        return {
            "large_messages": large["accepted"], "readers": len(readers.clients), "failures": readers.failures,
            "memory_kb_a_reader": {name: growth[name] / max(1, len(readers.clients)) for name in services},
            "without": without, "with": beside}

    def scale(self) -> dict:
        best = self.best()["report"]["accepted_rate"]
        self.rest()
        seconds = max(30, self.seconds * 2)
        load = self.load(
            rate=best / 2, seconds=seconds, sessions=500, messages_per_session=1, source="127.1.0.1",
            sources=250).start()
        began = time.monotonic()
        steps = []
        try:
            for replicas, share in ((3, 0.15), (1, 0.6)):
                time.sleep(max(0.0, began + seconds * share - time.monotonic()))
                at = time.monotonic() - began
                self.system.scale("smtp-ingress", replicas)
                steps.append({"replicas": replicas, "from": round(at, 1), "until": round(time.monotonic() - began, 1)})
                note(f"scaled to {replicas}")
        finally:
            report = self.counted(load.report())
        return {"offered_rate": best / 2, "steps": steps, "report": report}

    # MARK: Between them

    def rest(self) -> None:
        """Lets what is still in hand come to its end."""
        time.sleep(2)

    def memory(self, program: str) -> int:
        return sum(resident(self.system.processes().get(program, [])).values())

    def audit(self) -> dict:
        """What was accepted is there once; what got no reply may be there."""
        stored = self.system.message_count(ACCOUNTS)
        return {
            "accepted": self.accepted, "no_reply_after_content": self.uncertain, "stored": stored,
            "as_promised": self.accepted <= stored <= self.accepted + self.uncertain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Slow clients first: what a connection takes shows only in a process that has not had thousands before.
    parts = ("slow", "overload", "fairness", "scale")
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--seconds", type=float, default=15, help="measured time of each load")
    parser.add_argument("--limit", type=float, default=10, help="seconds until a message counts as not answered")
    parser.add_argument("--sessions", type=int, default=4000, help="most connections of an offered load")
    parser.add_argument("--slow-clients", type=int, default=1000)
    parser.add_argument("--slow-readers", type=int, default=50)
    parser.add_argument("--home", help="a running Martlet's MARTLET_HOME; default: one of its own")
    parser.add_argument("--port-base", type=int, default=28000, help="where the ports of a system of its own begin")
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", help="a file for the course of the overload, as SVG")
    options = parser.parse_args()
    if not options.no_build:
        build_generator()

    results: dict = {}
    with MartletSystem(options.port_base, options.home, build=not options.no_build) as system:
        system.add_accounts([*ACCOUNTS, LARGE])
        benchmark = Benchmark(system, options)
        for part in parts:
            if options.only in (None, part):
                note(f"{part} ...")
                results[part] = getattr(benchmark, part)()
        results["audit"] = benchmark.audit()

    if options.plot and "overload" in results:
        overload = results["overload"]
        pathlib.Path(options.plot).write_text(
            overload_svg(overload["best"]["report"]["accepted_rate"], overload["loads"]))
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()
    else:
        print_results(results)
    sys.exit(0 if results["audit"]["as_promised"] else 1)


if __name__ == "__main__":
    main()
