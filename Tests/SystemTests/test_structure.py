"""ENVELOPE and BODYSTRUCTURE of every conformance message, beside those of Dovecot.

Where the two differ, `structure_differences.py` says why Martlet answers as it does; a difference that is not
explained there fails, and so does an explanation that no longer differs.
"""

import pathlib

import pytest

from dovecot import dovecot
from imap_values import fetch_value
from mail import imap, ok
from structure_differences import EXPLAINED
from test_receiving import MESSAGES, crlf


def lowered(value):
    """Media types, encodings and parameter names compare without case (RFC 2045)."""
    if isinstance(value, list):
        return [lowered(item) for item in value]
    return value.lower() if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    with dovecot(tmp_path_factory.mktemp("dovecot")) as client:
        yield client


@pytest.fixture(scope="module")
def reader(system):
    with imap(system, system.alice) as client:
        # Some of the messages have UTF-8 in their headers (RFC 6855, 4).
        ok(client.xatom("ENABLE", "UTF8=ACCEPT"))
        client.create("structure")
        yield client
        client.delete("structure")


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_envelope_and_structure_agree_with_a_second_implementation(peer, reader, path: pathlib.Path):
    message = crlf(path.read_bytes())
    answers = []
    for client, mailbox in ((peer, "INBOX"), (reader, "structure")):
        ok(client.append(mailbox, None, None, message))
        ok(client.select(mailbox))
        last = int(ok(client.uid("SEARCH", "ALL"))[0].split()[-1])
        answers.append({item: lowered(fetch_value(client, last, item)) for item in ("ENVELOPE", "BODYSTRUCTURE")})
    theirs, ours = answers
    differing = {item for item in ours if ours[item] != theirs[item]}
    explained = set(EXPLAINED.get(path.stem, {}))
    assert differing == explained, "\n".join(
        f"{item}\n  Dovecot: {theirs[item]}\n  Martlet: {ours[item]}" for item in sorted(differing ^ explained))
