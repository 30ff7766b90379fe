"""What is stored already is put into a new message (CATENATE, RFC 4469), or given to another user by a URL (URLAUTH,
RFC 4467).
"""

import re
import urllib.parse
import uuid

from mail import imap, octets, ok, uids

BOUNDARY = "b" + "-" * 30


def letter(attachment: bytes, text: str) -> bytes:
    head = (
        f"From: a@example.test\r\nSubject: {uuid.uuid4().hex}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/mixed; boundary="{BOUNDARY}"\r\n\r\n'
        f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--{BOUNDARY}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + attachment + f"\r\n--{BOUNDARY}--\r\n".encode()


def command(client, text: str, name: str, *literals: bytes) -> list[bytes]:
    """Sends a command with literals that do not wait; `{}` stands for each. Its untagged responses of that name."""
    for literal in literals:
        text = text.replace("{}", "{%d+}\r\n" % len(literal) + literal.decode("latin-1"), 1)
    tag = client._new_tag()
    client.send(tag + b" " + text.encode("latin-1") + b"\r\n")
    while not (line := client._get_response()).startswith(tag):
        pass
    assert line.startswith(tag + b" OK"), line
    return client.response(name)[1]


def test_an_attachment_is_forwarded_without_being_sent_again(system, account):
    attachment = b"\r\n".join(b"%072d" % number for number in range(20_000))
    with imap(system, account) as client:
        ok(client.append("INBOX", None, None, letter(attachment, "first")))
        ok(client.select("INBOX"))
        (uid,) = uids(client)
        expected = octets(client, uid).replace(b"\r\n\r\nfirst\r\n", b"\r\n\r\nsecond\r\n")
        text = f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nsecond\r\n--{BOUNDARY}\r\n".encode()
        command(
            client,
            f'UID REPLACE {uid} INBOX CATENATE (URL ";UID={uid}/;SECTION=HEADER" TEXT {{}} '
            f'URL ";UID={uid}/;SECTION=2.MIME" URL ";UID={uid}/;SECTION=2" TEXT {{}})',
            "APPENDUID", text, f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
        (replaced,) = uids(client)
        assert replaced != uid
        assert octets(client, replaced) == expected


def test_a_url_gives_another_user_one_message_until_its_key_is_reset(system):
    body = b"\r\n".join(b"%072d" % number for number in range(10_000)) + b"\r\n"
    with imap(system, system.alice) as alice, imap(system, system.bob) as bob:
        name = uuid.uuid4().hex
        ok(alice.create(name))
        for text in (b"other\r\n", body):
            ok(alice.append(name, None, None, b"Subject: x\r\n\r\n" + text))
        owner = urllib.parse.quote(system.alice["address"], safe="")
        user = urllib.parse.quote(system.bob["address"], safe="")
        rump = f"imap://{owner}@localhost/{name}/;UID=2/;SECTION=TEXT;URLAUTH=user+{user}"

        def authorize() -> str:
            (data,) = command(alice, f'GENURLAUTH "{rump}" INTERNAL', "GENURLAUTH")
            url = re.fullmatch(rb'"(.*)"', data)[1].decode()
            assert re.fullmatch(re.escape(rump) + ":internal:[0-9a-f]{66}", url)
            return url

        def fetch(client, url: str):
            data = command(client, f'URLFETCH "{url}"', "URLFETCH")
            return data[0][1] if isinstance(data[0], tuple) else None

        url = authorize()
        assert authorize() == url
        assert fetch(bob, url) == body
        assert fetch(alice, url) is None
        assert fetch(bob, url.replace("UID=2", "UID=1")) is None
        assert fetch(bob, url[:-1] + ("0" if url[-1] != "0" else "1")) is None
        command(alice, f"RESETKEY {name}", "URLMECH")
        assert fetch(bob, url) is None
        again = authorize()
        assert again != url and fetch(bob, again) == body
        ok(alice.delete(name))
        assert fetch(bob, again) is None
