"""Clients that do everything as slowly as they can, held by one thread."""

import asyncio
import socket
import threading

KINDS = ("slow command", "slow content", "reads no reply", "silent")


class SlowSenders:
    """SMTP connections that never come to an end, from `with` to its end, in four kinds of equal number.

    One octet of a command, or of content, every few seconds; hundreds of commands whose replies nobody reads; and
    silence after the greeting. They come from several addresses, so that the limit of one address does not end them.
    """

    def __init__(self, host: str, port: int, count: int, recipient: str, interval: float = 2.0) -> None:
        self.host, self.port, self.count, self.interval = host, port, count, interval
        self.recipient = recipient
        self.open: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.ended: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.refused = 0

    def __enter__(self) -> "SlowSenders":
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.tasks = asyncio.run_coroutine_threadsafe(self.begin(), self.loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def begin(self) -> list[asyncio.Task]:
        begun = asyncio.Semaphore(50)
        tasks = []
        ready = []
        for number in range(self.count):
            there = self.loop.create_future()
            ready.append(there)
            tasks.append(self.loop.create_task(self.hold(number, begun, there)))
        await asyncio.gather(*ready)
        return tasks

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def hold(self, number: int, begun: asyncio.Semaphore, there: asyncio.Future) -> None:
        kind = KINDS[number % len(KINDS)]
        plain = socket.socket()
        plain.setblocking(False)
        # A small window: what is not read piles up with the server and not here.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.bind((f"127.2.0.{1 + number % 50}", 0))
        try:
            async with begun:
                try:
                    await self.loop.sock_connect(plain, (self.host, self.port))
                    greeting = await self.loop.sock_recv(plain, 512)
                    if not greeting.startswith(b"220"):
                        self.refused += 1
                        return
                    await self.prepare(kind, plain)
                    self.open[kind] += 1
                finally:
                    there.set_result(None)
            try:
                await self.dawdle(kind, plain)
            finally:
                self.open[kind] -= 1
        except OSError:
            self.ended[kind] += 1
        finally:
            plain.close()

    async def prepare(self, kind: str, plain: socket.socket) -> None:
        if kind == "slow content":
            for line in ("EHLO slow.example", "MAIL FROM:<slow@elsewhere.test>", f"RCPT TO:<{self.recipient}>", "DATA"):
                await self.loop.sock_sendall(plain, line.encode() + b"\r\n")
                await self.loop.sock_recv(plain, 4096)

    async def dawdle(self, kind: str, plain: socket.socket) -> None:
        if kind == "reads no reply":
            # As many commands as one transaction may have, so that it is not ended for too many.
            await self.loop.sock_sendall(plain, b"EHLO slow.example\r\nMAIL FROM:<slow@elsewhere.test>\r\n")
            await self.loop.sock_sendall(plain, f"RCPT TO:<{self.recipient}>\r\n".encode() * 900)
            await self.loop.create_future()
        if kind == "silent":
            if await self.loop.sock_recv(plain, 512) == b"":
                raise ConnectionResetError("the server ended it")
        while True:
            await self.loop.sock_sendall(plain, b"x")
            await asyncio.sleep(self.interval)


class SlowReaders:
    """IMAP sessions that ask for every body of a mailbox and read nothing of the answer, from `with` to its end."""

    def __init__(self, system, account: str, count: int) -> None:
        self.system, self.account, self.count = system, account, count
        self.clients: list = []
        self.failures: list[str] = []

    def __enter__(self) -> "SlowReaders":
        for number in range(self.count):
            try:
                client = self.system.reader(self.account, seconds=60, source=f"127.3.0.{1 + number % 50}")
                client.select("INBOX", readonly=True)
                client.send(b"slow FETCH 1:* (BODY.PEEK[])\r\n")
                self.clients.append(client)
            except Exception as error:  # imaplib has no narrower base for what may go wrong
                self.failures.append(f"{type(error).__name__}: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.shutdown()
