"""Mozilla's remote control, as far as running a program's own functions needs it: JSON with its length before it."""

import json
import socket
import time


class Failed(Exception):
    """What the program said against it."""


class Marionette:
    """Of a program that was started with `--marionette --remote-allow-system-access`."""

    def __init__(self, port: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.buffer = b""
        self.number = 0
        self._receive()
        self.call("WebDriver:NewSession", {"capabilities": {}})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": int(seconds * 1000)})

    def close(self) -> None:
        self.socket.close()

    def _receive(self):
        while b":" not in self.buffer:
            self._more()
        length, self.buffer = self.buffer.split(b":", 1)
        while len(self.buffer) < int(length):
            self._more()
        text, self.buffer = self.buffer[:int(length)], self.buffer[int(length):]
        return json.loads(text)

    def _more(self) -> None:
        octets = self.socket.recv(65536)
        if not octets:
            raise Failed("the program has ended")
        self.buffer += octets

    def call(self, name: str, parameters: dict):
        self.number += 1
        text = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(f"{len(text)}:".encode() + text)
        while True:
            _, number, error, result = self._receive()
            if number == self.number:
                if error:
                    raise Failed(f"{name}: {error.get('error')}: {error.get('message')}")
                return result

    def run(self, script: str, *arguments):
        """The value that the body of a function returns, or that its promise resolves to."""
        result = self.call("WebDriver:ExecuteAsyncScript", {
            "script": "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
                      f"(async (...values) => {{ {script} }})(...given)"
                      ".then(value => done({value: value === undefined ? null : value}),"
                      " error => done({error: String(error) + ' ' + (error.stack || '')}));",
            "args": list(arguments), "sandbox": "system", "newSandbox": False})
        answer = result["value"]
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["value"]
