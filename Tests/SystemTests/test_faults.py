"""Processes that are killed, a database that goes away: nothing accepted is lost, and service returns by itself."""

import os
import signal
import smtplib
import subprocess
import threading

import pytest

from conftest import CHECKOUT, wait_until
from mail import imap, ok, smtp, text_message, uids


class NumberedSender(threading.Thread):
    """Sends numbered messages until stopped and keeps those whose 250 it has read; repeats none."""

    def __init__(self, system, account) -> None:
        super().__init__(daemon=True)
        self.system, self.account = system, account
        self.accepted: list[str] = []
        self.refused = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            try:
                with smtp(self.system) as client:
                    while not self.stopping.is_set():
                        number += 1
                        subject = f"numbered-{id(self)}-{number}"
                        client.sendmail("a@elsewhere.test", [self.account["address"]],
                                        text_message("a@elsewhere.test", self.account["address"], subject))
                        self.accepted.append(subject)
            except (smtplib.SMTPException, OSError):
                self.refused += 1
                self.stopping.wait(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.join(timeout=60)


def subjects(system, account) -> list[str]:
    with imap(system, account) as client:
        ok(client.select("INBOX", readonly=True))
        found = []
        if not uids(client):
            return found
        for part in ok(client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
            if isinstance(part, tuple):
                found.append(part[1].decode().split(":", 1)[1].strip())
        return found


def postgres_pid(system) -> int:
    file = next(system.home.rglob("postmaster.pid"))
    return int(file.read_text().splitlines()[0])


@pytest.mark.parametrize("service", ["smtp-ingress", "content-processing", "storage", "authentication", "imap-access"])
def test_a_service_killed_under_load_loses_nothing_that_was_accepted(system, account, service):
    with NumberedSender(system, account) as first, NumberedSender(system, account) as second:
        wait_until(lambda: len(first.accepted) > 20 and len(second.accepted) > 20, 30, "no load")
        killed = [pid for name, pid in system.programs().items() if service in name]
        assert killed, system.supervisor("status")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        after = len(first.accepted)
        wait_until(lambda: len(first.accepted) > after + 20, 20, f"no service after {service} was killed")
    system.wait_until_ready()
    stored = subjects(system, account)
    accepted = first.accepted + second.accepted
    assert [subject for subject in accepted if subject not in stored] == []
    assert sorted(set(stored) & set(accepted)) == sorted(accepted)
    assert [subject for subject in accepted if stored.count(subject) > 1] == []


def test_postgresql_killed_and_restarted_loses_nothing_and_needs_no_restart(system, account):
    system.wait_until_ready()
    before = {name: pid for name, pid in system.programs().items() if "postgres" not in name}
    with NumberedSender(system, account) as sender:
        wait_until(lambda: len(sender.accepted) > 20, 30, "no load")
        os.kill(postgres_pid(system), signal.SIGQUIT)
        after = len(sender.accepted)
        wait_until(lambda: len(sender.accepted) > after + 20, 40, "no service after PostgreSQL was killed")
    system.wait_until_ready()
    stored = subjects(system, account)
    assert [subject for subject in sender.accepted if stored.count(subject) != 1] == []
    assert {name: pid for name, pid in system.programs().items() if "postgres" not in name} == before


@pytest.mark.parametrize("service", ["storage", "content-processing"])
def test_a_service_that_is_away_means_451_and_its_return_means_250(system, account, service):
    programs = [name for name in system.programs() if service in name]
    for name in programs:
        system.supervisor("stop", name)
    try:
        with smtp(system) as client:
            client.ehlo()
            client.mail("a@elsewhere.test")
            code, text = client.rcpt(account["address"])
            if code == 250:
                code, text = client.data(text_message("a@elsewhere.test", account["address"]))
        assert code == 451 and text.startswith(b"4.3.0"), (code, text)
    finally:
        for name in programs:
            system.supervisor("start", name)

    # Who says that all is ready must take mail from then on, the first that comes.
    system.wait_until_ready()
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [account["address"]],
                        text_message("a@elsewhere.test", account["address"]))


def test_imap_says_unavailable_while_authentication_is_away(system, account):
    programs = [name for name in system.programs() if "authentication" in name]
    for name in programs:
        system.supervisor("stop", name)
    try:
        with pytest.raises(Exception) as refused:
            with imap(system, account):
                pass
        assert "UNAVAILABLE" in str(refused.value)
    finally:
        for name in programs:
            system.supervisor("start", name)

    system.wait_until_ready()
    with imap(system, account) as client:
        ok(client.select("INBOX"))


def test_a_second_ingress_joins_behind_the_same_port_while_mail_flows(system, account):
    def ingresses() -> list[str]:
        return [name for name in system.programs() if "smtp-ingress" in name]

    def scale(replicas: int) -> None:
        # Nothing is built: that may take longer than the test, and others may be changing the sources.
        done = subprocess.run(
            [str(CHECKOUT / "deploy" / "run"), "--detach", "--no-build", "--scale", f"smtp-ingress={replicas}"],
            text=True, capture_output=True, timeout=300, env=os.environ | {"MARTLET_HOME": str(system.home)})
        assert done.returncode == 0, done.stdout + done.stderr
    with NumberedSender(system, account) as sender:
        wait_until(lambda: len(sender.accepted) > 10, 30, "no load")
        scale(3)
        wait_until(lambda: len(ingresses()) == 3, 20, "three ingresses do not run")
        after = len(sender.accepted)
        wait_until(lambda: len(sender.accepted) > after + 20, 20)
        scale(1)
        wait_until(lambda: len(ingresses()) == 1, 20, "more than one ingress runs")
    stored = subjects(system, account)
    assert [subject for subject in sender.accepted if stored.count(subject) != 1] == []
