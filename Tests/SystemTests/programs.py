"""Programs that people use, run to their end."""

import contextlib
import os
import pty
import select
import shutil
import subprocess
import time


def run(*words: str, timeout: float = 60, **options) -> subprocess.CompletedProcess:
    answer = subprocess.run(words, capture_output=True, text=True, timeout=timeout, **options)
    assert answer.returncode == 0, f"{words[0]} failed ({answer.returncode}):\n{answer.stdout}\n{answer.stderr}"
    return answer


def run_in_terminal(*words: str, seconds: float = 60, answers: dict[bytes, bytes] | None = None, status: int = 0,
                    **options) -> str:
    """For programs that want a terminal: `answers` holds what is typed when the screen shows something, each time.
    What they draw is returned, and kept for the failure's message."""
    own, its = pty.openpty()
    given = dict.fromkeys(answers or {}, 0)
    # Its own session, whose terminal this becomes: whoever asks for a password asks there.
    with subprocess.Popen(
            ["setsid", "--ctty", "--wait", *words], stdin=its, stdout=its, stderr=its, **options) as process:
        os.close(its)
        screen = b""
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([own], [], [], 0.1)[0]:
                try:
                    screen += os.read(own, 65536)
                except OSError:
                    break
                for prompt in given:
                    while given[prompt] < screen.count(prompt):
                        given[prompt] += 1
                        os.write(own, answers[prompt])
        if process.poll() is None:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
        # What it said last may lie there still; when all was read, its end is an error.
        with contextlib.suppress(OSError):
            while select.select([own], [], [], 0)[0]:
                screen += os.read(own, 65536)
        os.close(own)
    text = screen.decode(errors="replace")
    assert process.returncode == status, f"{words[0]} ended with {process.returncode}:\n{text}"
    return text


def need(program: str) -> None:
    assert shutil.which(program), f"{program} is missing: deploy/test installs it"
