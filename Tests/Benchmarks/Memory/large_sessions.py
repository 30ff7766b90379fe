#!/usr/bin/env python3
"""The resident memory of smtp-ingress while many sessions each send one large message at once.

    large_sessions.py                            200 sessions of 50 MB against the system in $MARTLET_HOME
    large_sessions.py --sessions 20 --octets N   another load
"""

import argparse
import asyncio
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "SideBySide"))

from process_times import resident

LINE = b"x" * 76 + b"\r\n"
BLOCK = LINE * 840


async def reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readline()
        if not line or line[3:4] != b"-":
            return line


async def session(host: str, port: int, recipient: str, octets: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await reply(reader)
        for command in ("EHLO memory.example", "MAIL FROM:<memory@elsewhere.test>", f"RCPT TO:<{recipient}>", "DATA"):
            writer.write(command.encode() + b"\r\n")
            answer = await reply(reader)
            if answer[:1] not in b"23":
                return answer
        writer.write(b"Subject: large\r\n\r\n")
        sent = 0
        while sent < octets:
            writer.write(BLOCK)
            await writer.drain()
            sent += len(BLOCK)
        writer.write(b".\r\n")
        answer = await reply(reader)
        writer.write(b"QUIT\r\n")
        return answer
    except (ConnectionError, OSError) as error:
        return str(error).encode()
    finally:
        writer.close()


def processes(name: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(name.encode()):
                found.append(int(entry))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--octets", type=int, default=50_000_000)
    parser.add_argument("--limit-kb", type=int, default=300_000, help="what the highest resident memory may be")
    options = parser.parse_args()
    home = pathlib.Path(os.environ.get("MARTLET_HOME", ".martlet"))
    connection = json.loads((home / "connection.json").read_text())
    pids = processes("martlet-smtp-ingress")
    started = time.monotonic()
    answers = await asyncio.gather(*(
        session(connection["smtp"]["host"], connection["smtp"]["port"], connection["accounts"][1]["address"],
                options.octets)
        for _ in range(options.sessions)))
    seconds = time.monotonic() - started
    accepted = sum(answer.startswith(b"250") for answer in answers)
    print(f"{accepted} of {options.sessions} accepted in {seconds:.0f} s"
          f" ({options.sessions * options.octets / seconds / 1e6:.0f} MB/s)")
    for answer in sorted({answer for answer in answers if not answer.startswith(b"250")}):
        print("refused:", answer.decode(errors="replace").strip())
    for name in ("smtp-ingress", "content-processing", "storage"):
        for pid, kilobytes in resident(processes(f"martlet-{name}"), "VmHWM").items():
            print(f"martlet-{name} {pid}: highest resident memory {kilobytes / 1000:.0f} MB")
    highest = max(resident(pids, "VmHWM").values())
    sys.exit(0 if accepted == options.sessions and highest <= options.limit_kb else 1)


asyncio.run(main())
