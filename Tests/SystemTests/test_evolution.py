"""Evolution's own IMAP provider, through the library that it is made with: it synchronises with QRESYNC and NOTIFY.

Its package brings half a desktop with it, so deploy/test does not install it: `apt-get install evolution-data-server
gir1.2-camel-1.2 python3-gi glib-networking` does. $EDS_CAMEL_PROVIDER_DIR says where the providers are, if elsewhere.
"""

import json
import os
import pathlib
import re
import subprocess

import pytest

from mailbox_contents import Server

SCRIPT = pathlib.Path(__file__).with_name("camel_client.py")
PROVIDERS = pathlib.Path(os.environ.get("EDS_CAMEL_PROVIDER_DIR", "/usr/lib/evolution-data-server/camel-providers"))


def message(subject: str) -> bytes:
    return (f"From: a@elsewhere.test\r\nTo: b@example.test\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@elsewhere.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nHello.\r\n"
            ).encode()


@pytest.fixture
def camel(system, account, tmp_path):
    """Runs the script, which says what it found; and what was said to the server."""
    has_library = subprocess.run(
        ["/usr/bin/python3", "-c", "import gi; gi.require_version('Camel', '1.2')"], capture_output=True)
    if has_library.returncode or not (PROVIDERS / "libcamelimapx.so").exists():
        pytest.skip("Evolution's library is not installed")
    (tmp_path / "camel").mkdir()
    dialogue: list[str] = []

    def run(action: str, *arguments: str):
        done = subprocess.run(
            ["/usr/bin/python3", str(SCRIPT), str(tmp_path / "camel"), str(system.port("imaps")), account["address"],
             account["password"], action, *arguments],
            capture_output=True, text=True, timeout=60,
            env=os.environ | {"HOME": str(tmp_path), "CAMEL_DEBUG": "imapx:io", "PYTHONPATH": ""})
        dialogue.extend(re.findall(r"I/O: '(.*)'", done.stdout))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return json.loads(re.findall(r"^answer: (.*)$", done.stdout, re.MULTILINE)[-1])
    yield run, dialogue


def test_evolution_synchronises_with_qresync_and_notify(system, account, camel):
    run, dialogue = camel
    with Server(system, account) as server:
        server.append("INBOX", [(message(f"m{number}"), "") for number in range(1, 7)])
    assert run("show", "INBOX") == {f"m{number}": "" for number in range(1, 7)}
    run("change", "m1", "m2", "Größe", "m3")
    with Server(system, account) as server:
        assert sorted(letters for _, _, letters in server.read("INBOX")) == ["", "", "", "FS"]
        assert len(server.read("Gr&APYA3w-e")) == 1
        # What others change while it is away.
        uids = [uid for uid, _, letters in server.read("INBOX") if not letters]
        server.append("INBOX", [(message("m7"), "S")])
        server.change("INBOX", [("+FLAGS.SILENT (\\Answered)", uids[:1]), ("+FLAGS.SILENT (\\Deleted)", uids[2:])])
    assert run("show", "INBOX") == {"m1": "FS", "m4": "R", "m5": "", "m7": "S"}
    assert list(run("show", "Größe")) == ["m2"]
    print("\n".join(dialogue))
    assert any("ENABLE" in line and "QRESYNC" in line for line in dialogue)
    assert any("NOTIFY SET" in line for line in dialogue)
    assert not any(re.match(r"\w+ BAD ", line) for line in dialogue)
