"""What runs below a process, read from /proc."""

import os
import pathlib


def parent_of(pid: int) -> int | None:
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return int(text.rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def command_line(pid: int) -> list[str]:
    """The words that a process was started with; of PostgreSQL's children, what they say of themselves."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def children_of(parent: int) -> list[int]:
    return sorted(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent_of(pid) == parent)


def descendants_of(root: int) -> list[int]:
    found, ahead = [], [root]
    while ahead:
        below = children_of(ahead.pop())
        found += below
        ahead += below
    return found
