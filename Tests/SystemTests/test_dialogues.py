r"""Dialogues kept as files: what the client sends, what must come back, and why.

`C: ` lines are sent; `S: ` lines must come back, in order, with `*` for any run of octets and `{n}` literals
written as they stand. `S~ ` passes over untagged lines before the one that it wants, where their order is the
server's own. `# ` lines explain. `C+ ` is sent without its line's CRLF (literals), and has `\r\n` where one is to be sent: what goes at once. The words `$ADDRESS` and `$PASSWORD` stand
for the account that the test made.
"""

import fnmatch
import pathlib
import socket

import pytest

HERE = pathlib.Path(__file__).parent / "dialogues"
FILES = sorted(HERE.glob("*/*.txt"))


class Wire:
    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.buffer = connection, b""

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            octets = self.connection.recv(65536)
            assert octets, f"the server closed the connection after {self.buffer!r}"
            self.buffer += octets
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")


def matches(line: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(line, pattern.replace("[", "[[]"))


@pytest.mark.skipif(not FILES, reason="no dialogue files")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_dialogue(system, account, file: pathlib.Path):
    protocol = file.parent.name
    with socket.create_connection((system.host(protocol), system.port(protocol)), timeout=20) as plain:
        wire = Wire(plain)
        for number, line in enumerate(file.read_text().splitlines(), 1):
            line = line.replace("$ADDRESS", account["address"]).replace("$PASSWORD", account["password"])
            if line in ("C:", "S:"):
                line += " "
            if line.startswith("C: "):
                wire.connection.sendall(line[3:].encode() + b"\r\n")
            elif line.startswith("C+ "):
                wire.connection.sendall(line[3:].replace(r"\r\n", "\r\n").encode())
            elif line.startswith("S: "):
                got = wire.line()
                assert matches(got, line[3:]), f"{file.name}:{number}: got {got!r}"
            elif line.startswith("S~ "):
                while not matches(got := wire.line(), line[3:]):
                    assert got.startswith("* "), f"{file.name}:{number}: got {got!r}"
            elif line == "TLS":
                wire.connection = system.tls.wrap_socket(wire.connection, server_hostname="localhost")
