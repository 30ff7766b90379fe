"""A proxy of ours between clients and server. It forwards, and it cuts: by reset, by silence, by losing a reply.

It must not lie to the server about what the client has heard: its kernel acknowledges what the client has not read yet.
So a client's FIN is passed on only when everything had reached the client and was acknowledged; otherwise the server
gets a reset, as it would from a client that closes without reading.
"""

import array
import dataclasses
import fcntl
import random
import selectors
import socket
import termios
import threading
import time

from .wire import reset

# What is under way in one direction at most.
WINDOW = 1 << 18


def _unacknowledged(raw: socket.socket) -> int:
    """Octets that the other side's kernel has not acknowledged (SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(raw, termios.TIOCOUTQ, count)
    return count[0]


def _waiting(raw: socket.socket) -> int:
    """Octets that came and were not read."""
    count = array.array("i", [0])
    fcntl.ioctl(raw, termios.FIONREAD, count)
    return count[0]


@dataclasses.dataclass(frozen=True)
class Fate:
    """How links are cut, and which."""

    is_silent: bool
    # What the server said last is lost with the connection: the reply to a message, if it is that moment.
    loses_reply: bool
    # Of the links that there are, and of those that come in the next seconds.
    share: float
    seconds: float
    # How long silence lasts.
    silence: float


class Link:
    """A client's connection and ours to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.client_port = client.getpeername()[1]
        self.to_server, self.to_client = bytearray(), bytearray()
        self.client_ended = self.server_ended = False
        # FIN was passed on.
        self.told_server = self.told_client = False
        # Silent: nothing is passed on. Half silent: only what the client sends.
        self.is_silent = self.is_half_silent = False
        # What becomes of it when so many pieces have come from the server; None: nothing.
        self.fate: Fate | None = None
        self.pieces_left = 0
        # Something that the server said was thrown away.
        self.has_lost = False
        self.is_dead = False


class Cutter:
    """One thread for all links. `cut` may be called from any thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._commands: list[tuple[float, object]] = []
        self._orderly: set[int] = set()
        self._wakeup, self._waker = socket.socketpair()
        self._wakeup.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        self._weather: tuple[float, Fate, random.Random] | None = None
        self._is_stopping = False
        self._listeners: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="cutter")

    def listen(self, server_port: int) -> int:
        """Opens a way to a port of the server; before `start`."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ, server_port)
        return listener.getsockname()[1]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake()
        self._thread.join(timeout=10)

    def ended_in_order(self, client_port: int, seconds: float = 2) -> bool:
        """Whether the server was told of the client's end in order, and no reset came behind."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                if client_port in self._orderly:
                    self._orderly.discard(client_port)
                    return True
            time.sleep(0.002)
        return False

    # ---- Cutting

    def _later(self, seconds: float, action) -> None:
        with self._lock:
            self._commands.append((time.monotonic() + seconds, action))
        self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b".")
        except BlockingIOError:
            pass

    def cut(self, source: random.Random, is_silent: bool) -> str:
        """Cuts a share of the links, and of those that come for a while; how is drawn from `source`."""
        fate = Fate(is_silent, source.random() < 0.6, source.choice([0.3, 0.6, 1.0]), source.uniform(0.5, 2.5),
                    source.uniform(1, 10))
        draw = random.Random(source.random())
        self._later(0, lambda: self._strike(fate, draw))
        return (f"{fate.share:.0%} of the connections for {fate.seconds:.1f} s"
                + (", replies lost" if fate.loses_reply else "")
                + (f", silent for {fate.silence:.1f} s each" if is_silent else ""))

    def _strike(self, fate: Fate, draw: random.Random) -> None:
        self._weather = (time.monotonic() + fate.seconds, fate, draw)
        for link in list(self._links):
            if not link.is_dead and draw.random() < fate.share:
                if fate.loses_reply:
                    link.fate, link.pieces_left = fate, 1
                else:
                    self._meet(link, fate, draw)

    def _meet(self, link: Link, fate: Fate, draw: random.Random) -> None:
        """The link meets its fate."""
        link.fate = None
        if not fate.is_silent:
            return self._kill(link, draw)
        # When replies are lost the server goes on hearing the client.
        link.is_half_silent, link.is_silent = fate.loses_reply, not fate.loses_reply
        late = draw.random() < 0.5
        self._later(fate.silence, lambda: self._end_silence(link, late, draw))

    def _end_silence(self, link: Link, late: bool, draw: random.Random) -> None:
        """What the client had sent arrives late, or never; then both sides are cut."""
        if link.is_dead:
            return
        if late:
            try:
                link.to_server += link.client.recv(WINDOW)
                link.server.send(link.to_server)
            except OSError:
                pass
            # What arrived is worked on before the reset, or not.
            self._forget(link)
            reset(link.client)
            self._later(draw.uniform(0, 2), lambda: reset(link.server))
        else:
            self._kill(link, draw)

    def _kill(self, link: Link, draw: random.Random | None = None) -> None:
        """RST both ways; the server's side sometimes a little later."""
        if link.is_dead:
            return
        self._forget(link)
        reset(link.client)
        if draw and draw.random() < 0.5:
            self._later(draw.uniform(0, 1), lambda: reset(link.server))
        else:
            reset(link.server)

    def _forget(self, link: Link) -> None:
        link.is_dead = True
        self._links.discard(link)
        for raw in (link.client, link.server):
            try:
                self._selector.unregister(raw)
            except (KeyError, ValueError):
                pass

    # ---- Forwarding

    def _run(self) -> None:
        while not self._is_stopping:
            with self._lock:
                now = time.monotonic()
                ripe = [action for when, action in self._commands if when <= now]
                self._commands = [item for item in self._commands if item[0] > now]
                next_time = min((when for when, _ in self._commands), default=now + 1)
            for action in ripe:
                action()
            for key, events in self._selector.select(max(0.0, min(1.0, next_time - time.monotonic()))):
                if key.fileobj is self._wakeup:
                    self._wakeup.recv(4096)
                elif isinstance(key.data, int):
                    self._accept(key.fileobj, key.data)
                elif not key.data.is_dead:
                    self._forward(key.data, key.fileobj, events)
        for link in list(self._links):
            self._kill(link)
        for listener in self._listeners:
            listener.close()

    def _accept(self, listener: socket.socket, server_port: int) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection(("127.0.0.1", server_port), timeout=2)
        except OSError:
            return reset(client)
        for raw in (client, server):
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self._lock:
            self._orderly.discard(link.client_port)
        self._links.add(link)
        if self._weather and time.monotonic() < self._weather[0]:
            _, fate, draw = self._weather
            if draw.random() < fate.share:
                link.fate, link.pieces_left = fate, draw.randrange(1, 10)
        self._arm(link)

    def _arm(self, link: Link) -> None:
        """Says to the selector what each side is waited for."""
        for raw, ended, incoming, outgoing in (
                (link.client, link.client_ended, link.to_server, link.to_client),
                (link.server, link.server_ended, link.to_client, link.to_server)):
            is_from_server = raw is link.server
            is_quiet = link.is_silent or link.is_half_silent and is_from_server
            events = selectors.EVENT_READ if not ended and len(incoming) < WINDOW and not is_quiet else 0
            is_deaf = link.is_silent or link.is_half_silent and raw is link.client
            if outgoing and not is_deaf:
                events |= selectors.EVENT_WRITE
            try:
                if events:
                    self._selector.modify(raw, events, link)
                else:
                    self._selector.unregister(raw)
            except KeyError:
                if events:
                    self._selector.register(raw, events, link)

    def _forward(self, link: Link, raw: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(link, raw)
            if link.is_dead:
                return
            if link.to_server and not link.is_silent:
                del link.to_server[:self._send(link.server, link.to_server)]
            if link.to_client and not link.is_silent and not link.is_half_silent:
                del link.to_client[:self._send(link.client, link.to_client)]
            self._pass_ends_on(link)
        except OSError:
            # One side was reset: so is the other.
            self._kill(link)
        if not link.is_dead:
            self._arm(link)

    def _read(self, link: Link, raw: socket.socket) -> None:
        try:
            octets = raw.recv(WINDOW)
        except BlockingIOError:
            return
        if raw is link.client:
            link.to_server += octets
            if not octets:
                link.client_ended = True
                # A FIN of ours counts as one octet until it is acknowledged.
                unheard = _unacknowledged(link.client) - (1 if link.told_client else 0)
                if link.to_client or link.has_lost or unheard > 0 or _waiting(link.server):
                    # It has not heard all that the server said.
                    self._kill(link)
            return
        link.server_ended = not octets
        if octets and link.fate and self._weather:
            link.pieces_left -= 1
            if link.pieces_left <= 0:
                fate, draw = link.fate, self._weather[2]
                link.has_lost = fate.loses_reply
                if not fate.loses_reply:
                    # The client hears this much, and no more.
                    link.to_client += octets
                    del link.to_client[:self._send(link.client, link.to_client)]
                return self._meet(link, fate, draw)
        link.to_client += octets

    @staticmethod
    def _send(raw: socket.socket, octets: bytearray) -> int:
        try:
            return raw.send(octets)
        except BlockingIOError:
            return 0

    def _pass_ends_on(self, link: Link) -> None:
        if link.is_silent:
            return
        if link.client_ended and not link.to_server and not link.told_server:
            link.told_server = True
            link.server.shutdown(socket.SHUT_WR)
        if link.server_ended and not link.to_client and not link.told_client and not link.is_half_silent:
            link.told_client = True
            link.client.shutdown(socket.SHUT_WR)
        if link.told_server and link.told_client:
            if link.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise ConnectionResetError
            self._forget(link)
            link.client.close()
            link.server.close()
            with self._lock:
                self._orderly.add(link.client_port)
