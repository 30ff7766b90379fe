"""CPU time, memory and descriptors by program, read from /proc."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[str, list[str]] | None:
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    return name, text[text.rindex(")") + 2 :].split()


def program_name(pid: int) -> str:
    """The executable's own name; /proc's short name is cut at 15 characters."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    first = os.path.basename(words[0].decode(errors="replace")) if words[0] else ""
    return first.split(":")[0].split(" ")[0] or (_stat(pid) or ("gone", []))[0]


def descendants(roots: list[int]) -> dict[str, list[int]]:
    """The roots and every process below them, by program name."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            children.setdefault(int(stat[1][1]), []).append(int(entry))
    found: dict[str, list[int]] = {}
    work = list(roots)
    while work:
        pid = work.pop()
        found.setdefault(program_name(pid), []).append(pid)
        work += children.get(pid, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes and of their children that ended."""
    total = 0
    for pid in pids:
        if stat := _stat(pid):
            total += sum(int(value) for value in stat[1][11:15])
    return total / TICKS


def resident(pids: list[int], field: str = "VmRSS") -> dict[int, int]:
    """kB by process; VmRSS is now, VmHWM the highest since the process started."""
    found = {}
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(field + ":"):
                found[pid] = int(line.split()[1])
    return found


def proportional(pids: list[int]) -> int:
    """kB of all these processes together: what several of them share counts once."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total


def descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
