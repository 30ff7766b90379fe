#!/usr/bin/env python3
"""Many sessions that idle, each in a mailbox of its own, and then a message for each: Martlet, and beside it Dovecot.

    idle_sessions.py                       10,000 sessions of Martlet, 1,000 of Dovecot
    idle_sessions.py --sessions 1000 --peer-sessions 200
    idle_sessions.py --peer-sessions 0     Martlet alone
    idle_sessions.py --append 300000       each session has appended such a message before it idles
    idle_sessions.py --json                figures for a program

All over TLS. Of Martlet the memory of imap-access counts, one process; of Dovecot that of its imap and imap-login
processes, where what they share counts once; it is as Debian sets it up, without hibernation. The sessions belong to
--accounts accounts. Messages come by APPEND from --writers processes; seen is a message when its session has read
EXISTS. Dovecot gets fewer sessions because each takes a process. Descriptors, and inotify instances, of which Dovecot
needs one for each session, are raised where root may.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import select
import ssl
import statistics
import sys
import threading
import time

from servers import Dovecot, Martlet
from wire import Wire

# On the path by way of servers.
from process_times import proportional

MESSAGE = (
    "From: Bench <bench@bench.test>\r\nTo: Reader <reader@example.test>\r\nSubject: news {number}\r\n"
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <{number}@idle.bench.test>\r\n\r\n{line}\r\n")
INOTIFY = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")


class Room:
    """As many descriptors as the sessions take, and as many inotify instances as those of Dovecot, from `with` to its
    end."""

    def __init__(self, sessions: int, peers: int) -> None:
        self.sessions, self.peers = max(sessions, peers), peers

    def __enter__(self) -> "Room":
        wanted = 2 * self.sessions + 1000
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            if hard < self.sessions + 500:
                raise SystemExit(f"{self.sessions} sessions need more than the {hard} descriptors that are allowed")
        self.before = INOTIFY.read_text()
        try:
            INOTIFY.write_text(str(max(int(self.before), self.peers + 100)))
        except OSError:
            if self.peers > int(self.before):
                print(f"inotify instances stay {self.before.strip()}: Dovecot looks every 30 s", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            INOTIFY.write_text(self.before)
        except OSError:
            pass


def account(number: int, accounts: int) -> str:
    return f"idle{number % accounts}"


def mailbox(number: int, accounts: int) -> str:
    return f"box{number // accounts}"


def make_mailboxes(work: tuple) -> None:
    port, user, password, names = work
    with Wire(port, user, password) as wire:
        for name in names:
            wire.run(f"CREATE {name}")


def deliver(work: tuple) -> tuple[float, dict[int, float]]:
    """Appends a message to each of an account's mailboxes; when that began, and when each was stored."""
    port, user, password, boxes = work
    stored = {}
    with Wire(port, user, password) as wire:
        began = time.monotonic()
        tags = []
        for number, name in boxes:
            octets = MESSAGE.format(number=number, line="x" * 1500).encode()
            tag = wire.tag()
            wire.send(f"{tag} APPEND {name} {{{len(octets)}+}}\r\n".encode() + octets + b"\r\n")
            tags.append((number, tag))
        for number, tag in tags:
            wire.finish(tag)
            stored[number] = time.monotonic()
    return began, stored


class Idlers:
    """Sessions that idle. Opened by several threads, read by one."""

    def __init__(self, server, options, count: int) -> None:
        self.server, self.options, self.count = server, options, count
        self.wires: dict[int, Wire] = {}
        self.tags: dict[int, str] = {}
        self.failure: Exception | None = None

    def open(self) -> None:
        numbers = iter(range(self.count))
        lock = threading.Lock()

        def work() -> None:
            while self.failure is None:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    self.open_one(number)
                except (OSError, RuntimeError) as error:
                    self.failure = error

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure:
            raise SystemExit(f"{self.server.name} took {len(self.wires)} of {self.count} sessions: {self.failure}")

    def open_one(self, number: int) -> None:
        # Servers limit how many sessions come from one address.
        source = f"127.4.{number // 80 // 250}.{1 + number // 80 % 250}"
        user = self.server.user(account(number, self.options.accounts))
        wire = Wire(self.server.imaps, user, self.server.password, source)
        if self.options.append:
            octets = MESSAGE.format(number=f"first-{number}", line="x" * self.options.append).encode()
            wire.append(mailbox(number, self.options.accounts), [octets], pipelined=False)
        wire.run(f"SELECT {mailbox(number, self.options.accounts)}")
        tag = wire.tag()
        wire.send(f"{tag} IDLE\r\n".encode())
        wire.read_until(b"+ ")
        wire.read_until(b"\r\n")
        self.tags[number] = tag
        self.wires[number] = wire

    def read_until_seen(self, seconds: float) -> dict[int, float]:
        """When each has read EXISTS; those that have not after so long are missing."""
        seen: dict[int, float] = {}
        poll = select.epoll()
        by_descriptor = {}
        for number, wire in self.wires.items():
            wire.socket.setblocking(False)
            by_descriptor[wire.socket.fileno()] = number
            poll.register(wire.socket.fileno(), select.EPOLLIN)
        gathered = {number: wire.rest for number, wire in self.wires.items()}
        deadline = time.monotonic() + seconds
        while len(seen) < len(self.wires) and time.monotonic() < deadline:
            for descriptor, _ in poll.poll(1):
                number = by_descriptor[descriptor]
                try:
                    while octets := self.wires[number].socket.recv(1 << 14):
                        gathered[number] += octets
                    raise SystemExit(f"{self.server.name} closed session {number}: {gathered[number]!r}")
                except ssl.SSLWantReadError:
                    pass
                if number not in seen and b" EXISTS\r\n" in gathered[number]:
                    seen[number] = time.monotonic()
        poll.close()
        return seen

    def close(self) -> None:
        for wire in self.wires.values():
            wire.socket.close()


def settled(measure) -> int:
    """A figure when it has not changed by more than one in five hundred for a second."""
    last = measure()
    for _ in range(30):
        time.sleep(1)
        now = measure()
        if abs(now - last) * 500 <= last:
            return now
        last = now
    return last


def run(server, names: tuple[str, ...], options, count: int, pool) -> dict:
    accounts = min(options.accounts, count)
    options.accounts = accounts
    server.add_accounts([f"idle{number}" for number in range(accounts)])

    def boxes(of: int) -> list[tuple[int, str]]:
        return [(number, mailbox(number, accounts)) for number in range(of, count, accounts)]

    users = [server.user(f"idle{number}") for number in range(accounts)]
    pool.map(make_mailboxes, [
        (server.imaps, user, server.password, [name for _, name in boxes(number)])
        for number, user in enumerate(users)], chunksize=1)

    def memory() -> int:
        return proportional([pid for name, pids in server.processes().items() if name in names for pid in pids])

    idlers = Idlers(server, options, count)
    before = settled(memory)
    began = time.monotonic()
    idlers.open()
    opened = time.monotonic() - began
    idle = settled(memory)
    work = [(server.imaps, user, server.password, boxes(number)) for number, user in enumerate(users)]
    delivering = pool.map_async(deliver, work, chunksize=1)
    seen = idlers.read_until_seen(options.patience)
    results = delivering.get()
    after = settled(memory)
    idlers.close()
    stored = {number: at for _, one in results for number, at in one.items()}
    late = sorted(1000 * (seen[number] - stored[number]) for number in seen)
    first = min(began for began, _ in results)
    return {
        "sessions": count, "accounts": accounts, "opened_seconds": round(opened, 2), "memory_before_kb": before,
        "memory_idle_kb": idle, "memory_after_kb": after, "session_kb": round((idle - before) / count, 2),
        "session_after_kb": round((after - before) / count, 2), "missed": count - len(seen),
        "stored_seconds": round(max(stored.values()) - first, 3),
        "all_seen_seconds": round(max(seen.values()) - first, 3) if seen else None,
        "seen_after_stored_ms": {
            "p50": round(statistics.median(late), 1), "p99": round(late[int(len(late) * 0.99)], 1),
            "max": round(late[-1], 1)} if late else None,
    }


def tell(name: str, figures: dict) -> None:
    print(f"{name:8} {figures['sessions']:6} sessions of {figures['accounts']} accounts opened in"
          f" {figures['opened_seconds']:.1f} s\n"
          f"{'':8} memory {figures['memory_before_kb'] / 1024:.1f} MB before, {figures['memory_idle_kb'] / 1024:.1f} MB"
          f" idle: {figures['session_kb']:.1f} kB a session; {figures['memory_after_kb'] / 1024:.1f} MB after the"
          f" messages: {figures['session_after_kb']:.1f} kB")
    late = figures["seen_after_stored_ms"]
    if late:
        print(f"{'':8} messages stored in {figures['stored_seconds']:.2f} s, all seen after"
              f" {figures['all_seen_seconds']:.2f} s; seen after stored: p50 {late['p50']} ms, p99 {late['p99']} ms,"
              f" max {late['max']} ms; not seen: {figures['missed']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--peer-sessions", type=int, default=1000, help="of Dovecot; 0 for none")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--append", type=int, default=0, help="octets that each session appends before it idles")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--patience", type=float, default=300, help="seconds until all must have seen their message")
    parser.add_argument("--no-build", action="store_true", help="take the executables of the last build")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    # The sessions, and those that write.
    os.environ["MARTLET_IMAP_ACCESS_SESSIONS_LIMIT"] = str(options.sessions + 1000)
    os.environ["MARTLET_IMAP_ACCESS_SESSIONS_PER_ADDRESS"] = "1000"
    results = {}
    # Before there are sessions that would be copied with the process.
    with Room(options.sessions, options.peer_sessions), multiprocessing.Pool(options.writers) as pool:
        with Martlet(28700, build=not options.no_build) as server:
            results["martlet"] = run(server, ("martlet-imap-access",), options, options.sessions, pool)
        if not options.json:
            tell("Martlet", results["martlet"])
        if options.peer_sessions:
            with Dovecot(options.peer_sessions + 100) as server:
                results["dovecot"] = run(server, ("imap", "imap-login"), options, options.peer_sessions, pool)
            if not options.json:
                tell("Dovecot", results["dovecot"])
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
