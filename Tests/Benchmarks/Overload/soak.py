#!/usr/bin/env python3
"""An hour at seven tenths of the best rate: what grows, and what slows down.

    soak.py                    an hour, in slices of a minute, against a system of its own
    soak.py --minutes 10       shorter
    soak.py --share 0.5        another share of the best rate
    soak.py --home DIR         against the system of that MARTLET_HOME, already running
    soak.py --json             figures for a program

The best rate is that of a closed loop of 50 sessions. Offered is open loop, as in overload.py. Each slice has its own
latencies; memory and descriptors are the highest of the slice. The reader that looks in once a second has a mailbox of its
own, of some thousand messages that stay as many: the others grow by the million in an hour, and how long it takes to open
one of those is another question.
"""

import argparse
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "SideBySide"))

from load import Load, build_generator, lost, unanswered
from martlet_system import MartletSystem
from tables import latency
from watching import ImapProbe, ProcessWatch

ACCOUNTS = [f"soak{os.getpid()}n{number}" for number in range(100)]
READER = f"soak{os.getpid()}reader"


def database_megabytes(system: MartletSystem) -> float:
    return round(int(system.query("SELECT pg_database_size('martlet')")) / 1e6, 1)


def one_slice(system: MartletSystem, load: Load) -> dict:
    with ProcessWatch(system) as watch, ImapProbe(system, READER) as probe:
        report = load.run()
    return {"report": report, "processes": watch.figures(), "imap": probe.figures(),
            "database_mb": database_megabytes(system)}


def print_slice(number: int, figures: dict) -> None:
    report = figures["report"]
    memory = ", ".join(f"{name.removeprefix('martlet-')} {process['highest_memory_mb']:.0f} MB"
                       f" {process['highest_descriptors']} fd" for name, process in figures["processes"].items())
    print(f"{number:4}  {report['accepted_rate']:6.0f}/s  latency p50 / p99 / p99.9 / max {latency(report)}"
          f"  refused {sum(report['refused'].values())}, lost {lost(report)}, unanswered {unanswered(report)}"
          f"  IMAP p50 {figures['imap']['milliseconds']['all']['p50']} ms, failed {len(figures['imap']['failures'])}"
          f"  database {figures['database_mb']:.0f} MB  {memory}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--share", type=float, default=0.7, help="of the best rate")
    parser.add_argument("--home", help="a running Martlet's MARTLET_HOME; default: one of its own")
    parser.add_argument("--port-base", type=int, default=28400, help="where the ports of a system of its own begin")
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.no_build:
        build_generator()

    slices = []
    with MartletSystem(options.port_base, options.home, build=not options.no_build) as system:
        system.add_accounts([*ACCOUNTS, READER])
        Load(port=system.port, recipients=[READER], seconds=1, warmup=0).run()
        best = Load(port=system.port, recipients=ACCOUNTS, seconds=22, warmup=2).run()
        rate = best["accepted_rate"] * options.share
        accepted, uncertain = best["accepted"], best["lost"]["after_dot"] + best["no_reply"]
        if not options.json:
            print(f"best rate {best['accepted_rate']:.0f}/s; offered for {options.minutes} minutes: {rate:.0f}/s")
        for number in range(options.minutes):
            figures = one_slice(system, Load(
                port=system.port, recipients=ACCOUNTS, seconds=60, rate=rate, sessions=500, messages_per_session=20,
                source="127.1.0.1", sources=50))
            slices.append(figures)
            accepted += figures["report"]["accepted"]
            uncertain += figures["report"]["lost"]["after_dot"] + figures["report"]["no_reply"]
            if not options.json:
                print_slice(number + 1, figures)
        stored = system.message_count(ACCOUNTS)
    right = accepted <= stored <= accepted + uncertain
    if options.json:
        json.dump({"best": best, "offered_rate": rate, "slices": slices, "accepted": accepted, "stored": stored},
                  sys.stdout, indent=2)
        print()
    else:
        print(f"accepted {accepted}, stored {stored}, without a reply after the content {uncertain}:"
              f" {'as promised' if right else 'NOT AS PROMISED'}")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
