#!/usr/bin/env python3
"""Postfix + Dovecot and Martlet on the same machine in the same run: messages a second into mailboxes.

Both take the same load from smtp-source (Postfix's own load generator), in turn, several times. A round ends when
every message is in its mailbox, and is counted there; the rate is messages over that whole time.

    side_by_side.py                     the three figures, three rounds each
    side_by_side.py --rounds 5          more rounds
    side_by_side.py --replicas 1,2,4    also Martlet's rate with that many ingress replicas
    side_by_side.py --only martlet      one side alone
    side_by_side.py --json              figures for a program
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from martlet_system import MartletSystem
from postfix_dovecot import PostfixDovecot
from process_times import cpu_seconds

ACCOUNTS = [f"bench{number}" for number in range(10)]

# name, sessions, octets, messages, goal as a ratio to the peer
LOADS = [
    ("4 KiB over 50 sessions", 50, 4096, 6000, 10.0),
    ("4 KiB over one session", 1, 4096, 600, 4.0),
    ("64 KiB over 20 sessions", 20, 65536, 1500, 4.0),
]


def send(port: int, sessions: int, octets: int, messages: int) -> None:
    """Spreads the sessions over the accounts: one smtp-source for each account."""
    senders = min(sessions, len(ACCOUNTS))
    running = []
    for index in range(senders):
        count = messages // senders + (1 if index < messages % senders else 0)
        running.append(subprocess.Popen(
            ["smtp-source", "-4", "-d", "-s", str(sessions // senders), "-m", str(count), "-l", str(octets),
             "-f", "sender@example.test", "-t", f"{ACCOUNTS[index]}@example.test", f"127.0.0.1:{port}"]))
    failed = [process.args for process in running if process.wait() != 0]
    if failed:
        raise SystemExit(f"smtp-source failed: {failed[0]}")


def one_round(system, sessions: int, octets: int, messages: int) -> dict:
    before = system.message_count(ACCOUNTS)
    processes = system.processes()
    cpu_before = {name: cpu_seconds(pids) for name, pids in processes.items()}
    started = time.monotonic()
    send(system.port, sessions, octets, messages)
    accepted = time.monotonic()
    # Looking costs the system something too: not more often than every 50 ms.
    while (stored := system.message_count(ACCOUNTS) - before) < messages:
        if time.monotonic() - accepted > 300:
            raise SystemExit(f"{system.name}: only {stored} of {messages} arrived within 300 s")
        time.sleep(0.05)
    ended = time.monotonic() if stored_late(system) else accepted
    if stored != messages:
        raise SystemExit(f"{system.name}: {stored} in the mailboxes, {messages} sent")
    cpu = {
        name: round((cpu_seconds(pids) - cpu_before[name]) / messages * 1e6)
        for name, pids in processes.items()
    }
    return {
        "rate": messages / (ended - started),
        "accept_rate": messages / (accepted - started),
        "cpu_us_a_message": {name: value for name, value in sorted(cpu.items(), key=lambda pair: -pair[1]) if value},
    }


def stored_late(system) -> bool:
    """The peer answers 250 when the message is queued and delivers later; Martlet's 250 means stored."""
    return not isinstance(system, MartletSystem)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", default="", help="ingress replica counts to try, for example 1,2,4")
    parser.add_argument("--only", choices=["martlet", "peer"])
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--loads", default="", help="part of a load's name: only these")
    parser.add_argument("--home", help="a running Martlet's MARTLET_HOME; default: one of its own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    systems = []
    if options.only != "martlet":
        systems.append(PostfixDovecot())
    if options.only != "peer":
        systems.append(MartletSystem(home=options.home, build=not options.no_build))
    results: dict = {"loads": [], "replicas": []}
    for system in systems:
        system.__enter__()
    try:
        for system in systems:
            system.add_accounts(ACCOUNTS)
            one_round(system, 10, 4096, 300)
        for name, sessions, octets, messages, goal in LOADS:
            if options.loads and options.loads not in name:
                continue
            rounds = {system.name: [] for system in systems}
            for number in range(options.rounds):
                for system in systems:
                    figure = one_round(system, sessions, octets, messages)
                    rounds[system.name].append(figure)
                    print(f"{name}, round {number + 1}: {system.name} {figure['rate']:.0f}/s"
                          f" (accepted {figure['accept_rate']:.0f}/s)", file=sys.stderr, flush=True)
            entry = {"load": name, "goal": goal, "rounds": rounds}
            if len(systems) == 2:
                ratios = [ours["rate"] / peers["rate"]
                          for peers, ours in zip(*(rounds[system.name] for system in systems))]
                entry["ratio"] = {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)}
            results["loads"].append(entry)
        if options.replicas and options.only != "peer":
            martlet = systems[-1]
            for replicas in map(int, options.replicas.split(",")):
                martlet.scale("smtp-ingress", replicas)
                figures = [one_round(martlet, 50, 4096, 6000)["rate"] for _ in range(options.rounds)]
                results["replicas"].append({"replicas": replicas, "rate": statistics.median(figures)})
            martlet.scale("smtp-ingress", 1)
    finally:
        for system in reversed(systems):
            system.__exit__()

    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()
        return
    for entry in results["loads"]:
        print(entry["load"])
        for name, rounds in entry["rounds"].items():
            rates = [figure["rate"] for figure in rounds]
            print(f"  {name:18} {min(rates):7.0f} {statistics.median(rates):7.0f} {max(rates):7.0f}  messages/s"
                  " (min median max)")
            print(f"  {'':18} CPU µs a message: {rounds[-1]['cpu_us_a_message']}")
        if "ratio" in entry:
            ratio = entry["ratio"]
            print(f"  ratio              {ratio['min']:7.2f} {ratio['median']:7.2f} {ratio['max']:7.2f}"
                  f"  (goal {entry['goal']})")
    for entry in results["replicas"]:
        print(f"ingress replicas {entry['replicas']}: {entry['rate']:.0f} messages/s")


if __name__ == "__main__":
    main()
