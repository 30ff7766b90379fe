#!/usr/bin/env python3
"""What receipts and ledger cost: the same load with and without them, in turn, in a system of its own.

The commit is a function of the database; this takes the statements of the one or the other out of it, measures, and puts
it back. Without receipts nothing is exactly once: this is for measuring only.

    price.py                    4 KiB over 50 sessions, five rounds
    price.py --rounds 9 --messages 12000
    price.py --json             figures for a program
"""

import argparse
import json
import re
import statistics
import sys

from martlet_system import MartletSystem
from side_by_side import ACCOUNTS, one_round

FUNCTION = "mail.commit_dispositions"


def without(function: str, *tables: str) -> str:
    """The function without what writes these tables, and without the question whether there is a receipt."""
    for table in tables:
        function, count = re.subn(rf"INSERT INTO mail\.{table} .*?;", "", function, flags=re.S)
        if count == 0:
            raise SystemExit(f"{FUNCTION} does not write mail.{table}")
    if "receipts" in tables:
        function, count = re.subn(r"has_copies := EXISTS \(.*?\);", "has_copies := false;", function, flags=re.S)
        if count != 1:
            raise SystemExit(f"{FUNCTION} does not ask for receipts")
    return function


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    results: dict[str, list[dict]] = {}
    with MartletSystem(port_base=28200) as system:
        system.add_accounts(ACCOUNTS)
        one_round(system, 10, options.octets, 300)
        whole = system.query(f"SELECT pg_get_functiondef('{FUNCTION}'::regproc)")
        variants = {
            "with both": whole,
            "without ledger": without(whole, "ledger"),
            "without receipts": without(whole, "receipts"),
            "without both": without(whole, "receipts", "ledger"),
        }
        for number in range(options.rounds):
            for name, function in variants.items():
                system.query(f"SET search_path = pg_catalog; {function}")
                one_round(system, 10, options.octets, 100)
                before = system.query("SELECT pg_current_wal_insert_lsn()")
                figure = one_round(system, options.sessions, options.octets, options.messages)
                octets = system.query(f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')")
                figure["wal_octets_a_message"] = round(float(octets) / options.messages)
                results.setdefault(name, []).append(figure)
                print(f"round {number + 1}, {name}: {figure['rate']:.0f}/s", file=sys.stderr, flush=True)

    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()
        return
    print(f"{options.octets} octets over {options.sessions} sessions, {options.rounds} rounds: messages a second"
          " (min median max), CPU µs and octets of WAL a message (medians)")
    for name, figures in results.items():
        rates = [figure["rate"] for figure in figures]
        cpu = {program: statistics.median(figure["cpu_us_a_message"].get(program, 0) for figure in figures)
               for program in figures[0]["cpu_us_a_message"]}
        wal = statistics.median(figure["wal_octets_a_message"] for figure in figures)
        print(f"  {name:18} {min(rates):6.0f} {statistics.median(rates):6.0f} {max(rates):6.0f}   CPU {sum(cpu.values()):.0f}"
              f" (PostgreSQL {cpu.get('postgres', 0):.0f})   WAL {wal:.0f}")


if __name__ == "__main__":
    main()
