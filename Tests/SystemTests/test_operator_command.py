"""The operator's command against the running system."""

import json
import uuid

from mail import smtp, text_message, wait_for_subject


def test_status_names_every_service_ready(system):
    report = json.loads(system.command("status", "--json").stdout)
    text = json.dumps(report)
    for service in ("smtp-ingress", "imap-access", "content-processing", "authentication", "storage"):
        assert service in text


def test_account_is_added_listed_changed_and_removed(system):
    address = f"op{uuid.uuid4().hex[:10]}@example.test"
    system.command("account", "add", address, "--password-stdin", input="first password\n")
    assert address in system.command("account", "list", "--json").stdout
    system.command("account", "password", address, "--password-stdin", input="second password\n")
    with smtp(system, {"address": address, "password": "second password"}, "submissions"):
        pass
    system.command("account", "remove", address)
    assert address not in system.command("account", "list", "--json").stdout


def test_alias_leads_to_its_account(system, account):
    alias = f"alias{uuid.uuid4().hex[:10]}@example.test"
    system.command("alias", "add", alias, account["address"])
    subject = uuid.uuid4().hex
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [alias], text_message("a@elsewhere.test", alias, subject))
    wait_for_subject(system, account, subject)
    system.command("alias", "remove", alias)


def test_domain_is_added_and_removed(system):
    name = f"d{uuid.uuid4().hex[:10]}.test"
    system.command("domain", "add", name)
    assert name in system.command("domain", "list", "--json").stdout
    system.command("domain", "remove", name)
    assert name not in system.command("domain", "list", "--json").stdout


def test_mailboxes_of_an_account_are_listed(system, account):
    assert "INBOX" in system.command("mailbox", "list", account["address"], "--json").stdout


def test_an_unknown_account_is_an_error_that_names_it(system):
    answer = system.command("account", "remove", "nobody-at-all@example.test", check=False)
    assert answer.returncode != 0
    assert "nobody-at-all@example.test" in answer.stderr
