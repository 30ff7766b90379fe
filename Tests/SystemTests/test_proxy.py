"""Behind a proxy that speaks the PROXY protocol: who the client is, and a reply that only the proxy has read.

The proxy is this program at an address of loopback that the system is told to trust; the other tests come from
another address, and notice nothing.
"""

import socket
import struct
import uuid

import pytest

from faults.smtp import Attempt, SMTPSession
from faults.wire import Connection, Lost, Proxy, client_tls
from mail import imap, ok, wait_for_subject

PROXY = "127.0.0.77"
TLS = client_tls()


def line(client: str) -> Proxy:
    """Version 1."""
    return Proxy(PROXY, f"PROXY TCP4 {client} 192.0.2.25 56324 25\r\n".encode())


def binary(client: str) -> Proxy:
    """Version 2, with a vector that says nothing."""
    block = socket.inet_aton(client) + socket.inet_aton("192.0.2.25") + struct.pack(">HH", 56324, 25) + b"\x04\0\0"
    return Proxy(PROXY, b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x11, len(block)) + block)


@pytest.fixture(scope="module", autouse=True)
def trusting(system):
    """Both services trust the proxy while these tests run."""
    file = system.home / "martlet.yaml"
    before = file.read_text()

    def restart() -> None:
        names = [name for name in system.programs() if name.startswith(("smtp-ingress", "imap-access"))]
        system.supervisor("restart", *names)
        system.wait_until_ready()
    text = before
    for section in ("smtp-ingress", "imap-access"):
        text = text.replace(f"\n{section}:\n", f"\n{section}:\n  proxy:\n    trusted: [{PROXY}]\n")
    assert text.count(PROXY) == 2
    file.write_text(text)
    restart()
    yield
    file.write_text(before)
    restart()


def session(system, account, security: str, proxy: Proxy) -> SMTPSession:
    if security == "implicit TLS":
        return SMTPSession(system.port("submissions"), tls=TLS, login=account, timeout=20, proxy=proxy)
    return SMTPSession(system.port("smtp"), timeout=20, proxy=proxy)


def message(account, subject: str, security: str = "plain") -> Attempt:
    sender = account["address"] if security == "implicit TLS" else "sender@elsewhere.test"
    octets = f"Subject: {subject}\r\nMessage-ID: <{subject}@example.test>\r\n\r\nHi.\r\n"
    return Attempt(sender, [account["address"]], octets.encode())


def copies(system, account, subject: str) -> int:
    with imap(system, account) as reader:
        ok(reader.select("INBOX", readonly=True))
        return len(ok(reader.search(None, "SUBJECT", subject))[0].split())


@pytest.mark.parametrize("security", ["plain", "implicit TLS"])
@pytest.mark.parametrize("version", [line, binary])
def test_the_client_is_known_by_the_address_of_the_header(system, account, version, security):
    subject = uuid.uuid4().hex
    client, attempt = session(system, account, security, version("192.0.2.7")), message(account, subject, security)
    client.deliver(attempt)
    assert client.quit()
    stored = wait_for_subject(system, account, subject)
    assert b"[192.0.2.7]" in stored and PROXY.encode() not in stored
    assert "192.0.2.7" in system.command("trace", f"<{subject}@example.test>").stdout


def test_a_mailbox_is_read_through_the_proxy(system, account):
    connection = Connection(system.port("imaps"), proxy=binary("192.0.2.7"))
    connection.start_tls(TLS)
    assert connection.line().startswith(b"* OK")
    connection.send(f"a LOGIN {account['address']} {account['password']}\r\n".encode())
    assert connection.line().startswith(b"a OK")
    connection.reset()


@pytest.mark.parametrize("name", ["smtp", "submissions", "imap", "imaps"])
def test_without_its_header_the_proxy_gets_no_word(system, name):
    connection = Connection(system.port(name), timeout=20, proxy=Proxy(PROXY, b"EHLO client.example\r\n"))
    with pytest.raises(Lost, match="closed by the server|reset"):
        connection.line()


@pytest.mark.parametrize("name", ["smtp", "imap"])
def test_a_header_from_anybody_else_is_not_interpreted(system, name):
    connection = Connection(system.port(name), timeout=20, proxy=Proxy("127.0.0.78", line("192.0.2.7").header))
    assert connection.line().startswith((b"220", b"* OK"))
    assert b"50" in (answer := connection.line()) or b"BAD" in answer
    connection.reset()


@pytest.mark.parametrize("security", ["plain", "implicit TLS"])
def test_a_reply_that_only_the_proxy_has_read_is_a_lost_reply(system, account, security):
    """The proxy reads the reply, its client is gone, and it ends its connection to us in order; the client repeats."""
    subject, replies = uuid.uuid4().hex, []
    for _ in range(3):
        proxied = session(system, account, security, binary("192.0.2.7"))
        attempt = message(account, subject, security)
        proxied.deliver(attempt)
        replies.append(attempt.replies[account["address"]])
        assert proxied.quit()
    assert replies[0][0] == 250 and replies == [replies[0]] * 3
    assert copies(system, account, subject) == 1


def test_what_the_client_answered_a_later_prompt_behind_is_known_through_a_proxy_too(system, account):
    subject = uuid.uuid4().hex
    for _ in range(2):
        proxied = session(system, account, "plain", line("192.0.2.7"))
        for attempt in (message(account, subject), message(account, uuid.uuid4().hex)):
            proxied.deliver(attempt)
            assert [code for code, _ in attempt.replies.values()] == [250]
        proxied.reset()
    assert copies(system, account, subject) == 2
