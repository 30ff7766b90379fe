#!/usr/bin/env python3
"""Where the CPU time of each program goes while mail comes in: sampled by perf (Debian: linux-perf).

    profiles.py                    4 KiB over 50 sessions, ten seconds
    profiles.py --sessions 1       another load
    profiles.py --flames DIR       a flame graph of each program besides, as SVG
    profiles.py --json             figures for a program

Self is the time within a function, below it also that of what it called. Kernel time stands under the system call.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BENCHMARKS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCHMARKS / "SideBySide"), str(BENCHMARKS / "Overload")]

from flame import Frame, svg
from load import Load, build_generator
from martlet_system import MartletSystem
from process_times import cpu_seconds

ACCOUNTS = [f"profile{number}" for number in range(10)]
HERTZ = 499


def sample(pids: list[int], seconds: float, directory: str) -> list[tuple[int, list[str]]]:
    """A process and its stack for each sample, from the outermost function to the innermost."""
    data = str(pathlib.Path(directory) / "perf.data")
    subprocess.run(
        ["perf", "record", "--quiet", f"--freq={HERTZ}", "--call-graph=fp", "--output", data,
         "--pid", ",".join(map(str, pids)), "--", "sleep", str(seconds)], check=True, stderr=subprocess.DEVNULL)
    text = subprocess.run(
        ["perf", "script", "--input", data, "--fields", "pid,ip,sym,dso"], check=True, capture_output=True, text=True,
        errors="replace").stdout
    text = demangled(text)
    samples = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip().splitlines()
        if not lines or not lines[0].strip().isdigit():
            continue
        stack = [frame_name(line) for line in lines[1:]]
        samples.append((int(lines[0]), stack[::-1]))
    return samples


def demangled(text: str) -> str:
    """Swift's names as people write them."""
    return subprocess.run(
        ["swift", "demangle", "--simplified"], input=text, check=True, capture_output=True, text=True).stdout


def frame_name(line: str) -> str:
    """`address name (file)`; where a name is missing, the file stands for it."""
    found = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line)
    if not found:
        return "?"
    name, file = found.groups()
    name = re.sub(r"\+0x[0-9a-f]+$", "", name)
    return f"[{pathlib.PurePath(file).name}]" if name == "[unknown]" else name


def table(stacks: list[list[str]], rows: int) -> dict:
    inner = collections.Counter(stack[-1] for stack in stacks if stack)
    outer = collections.Counter(name for stack in stacks for name in set(stack))
    share = lambda counter: {name: round(count / len(stacks), 4) for name, count in counter.most_common(rows)}
    return {"self": share(inner), "below": share(outer)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--flames", type=pathlib.Path, help="a folder for flame graphs")
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.no_build:
        build_generator()

    with MartletSystem(28600, build=not options.no_build) as system, tempfile.TemporaryDirectory() as directory:
        system.add_accounts(ACCOUNTS)
        load = Load(
            port=system.port, recipients=ACCOUNTS, seconds=options.seconds + 4, sessions=options.sessions,
            octets=options.octets).start()
        time.sleep(2)
        programs = {
            name: pids for name, pids in system.processes().items()
            if name.startswith("martlet-") or name.startswith("postgres")}
        before = {name: cpu_seconds(pids) for name, pids in programs.items()}
        began = time.monotonic()
        samples = sample([pid for pids in programs.values() for pid in pids], options.seconds, directory)
        elapsed = time.monotonic() - began
        shares = {name: (cpu_seconds(pids) - before[name]) / elapsed for name, pids in programs.items()}
        rate = load.report()["accepted_rate"]

    program = {pid: name for name, pids in programs.items() for pid in pids}
    report = {"accepted_rate": rate, "programs": {}}
    for name in sorted(programs, key=lambda name: -shares[name]):
        stacks = [stack for pid, stack in samples if program.get(pid) == name]
        if not stacks:
            continue
        report["programs"][name] = {
            "samples": len(stacks), "cpu_share": round(shares[name], 3), **table(stacks, options.rows)}
        if options.flames:
            root = Frame(name)
            for stack in stacks:
                root.add(stack)
            options.flames.mkdir(parents=True, exist_ok=True)
            (options.flames / f"{name}.svg").write_text(svg(root))
    if options.json:
        json.dump(report, sys.stdout, indent=2)
        print()
        return
    print(f"{rate:.0f} messages a second while sampled")
    for name, figures in report["programs"].items():
        print(f"\n{name}: {figures['cpu_share']:.2f} of a core, {figures['samples']} samples")
        for kind in ("self", "below"):
            print(f"  {kind}")
            for function, share in figures[kind].items():
                print(f"    {100 * share:5.1f}%  {function[:150]}")


if __name__ == "__main__":
    main()
