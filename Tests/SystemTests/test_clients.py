"""Clients that people use, over STARTTLS and implicit TLS."""

import os
import uuid

import pytest

from mail import count, imap, ok, smtp, text_message, uids, wait_for_subject
from programs import need, run, run_in_terminal


def test_python_sends_to_port_25_and_reads_over_both_kinds_of_tls(system, account):
    subject = uuid.uuid4().hex
    with smtp(system) as client:
        client.sendmail("stranger@elsewhere.test", [account["address"]],
                        text_message("stranger@elsewhere.test", account["address"], subject))
    assert subject.encode() in wait_for_subject(system, account, subject)
    for service in ("imap", "imaps"):
        with imap(system, account, service) as client:
            ok(client.select("INBOX"))
            assert len(uids(client)) == 1


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_python_submits_to_another_account(system, account, service):
    subject = uuid.uuid4().hex
    with smtp(system, system.alice, service) as client:
        client.sendmail(system.alice["address"], [account["address"]],
                        text_message(system.alice["address"], account["address"], subject))
    stored = wait_for_subject(system, account, subject)
    assert b"ESMTPSA" in stored[:2000]


@pytest.mark.parametrize("service,tls", [("submission", "--tls"), ("submissions", "--tls-on-connect")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_submits(system, account, service, tls, mechanism):
    need("swaks")
    subject = uuid.uuid4().hex
    run("swaks", "--server", system.host(service), "--port", str(system.port(service)), tls,
        "--auth", mechanism, "--auth-user", system.alice["address"], "--auth-password", system.alice["password"],
        "--from", system.alice["address"], "--to", account["address"], "--header", f"Subject: {subject}")
    wait_for_subject(system, account, subject)


def test_swaks_speaks_lmtp(system, account):
    need("swaks")
    subject = uuid.uuid4().hex
    run("swaks", "--protocol", "LMTP", "--server", system.host("lmtp"), "--port", str(system.port("lmtp")),
        "--from", "a@elsewhere.test", "--to", account["address"], "--header", f"Subject: {subject}")
    wait_for_subject(system, account, subject)


@pytest.mark.parametrize("service,scheme,options", [
    ("submission", "smtp", ["--ssl-reqd"]), ("submissions", "smtps", [])])
def test_curl_submits(system, account, tmp_path, service, scheme, options):
    need("curl")
    subject = uuid.uuid4().hex
    file = tmp_path / "message"
    file.write_bytes(text_message(system.alice["address"], account["address"], subject))
    run("curl", "--silent", "--show-error", "--insecure", *options,
        f"{scheme}://{system.host(service)}:{system.port(service)}/client.example.test",
        "--user", f"{system.alice['address']}:{system.alice['password']}",
        "--mail-from", system.alice["address"], "--mail-rcpt", account["address"], "--upload-file", str(file))
    wait_for_subject(system, account, subject)


@pytest.mark.parametrize("service,scheme,options", [("imap", "imap", ["--ssl-reqd"]), ("imaps", "imaps", [])])
def test_curl_reads(system, account, service, scheme, options):
    need("curl")
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [account["address"]],
                        text_message("a@elsewhere.test", account["address"], "for curl", "body for curl\n"))
    answer = run("curl", "--silent", "--show-error", "--insecure", *options,
                 f"{scheme}://{system.host(service)}:{system.port(service)}/INBOX;MAILINDEX=1",
                 "--user", f"{account['address']}:{account['password']}")
    assert "body for curl" in answer.stdout


@pytest.mark.parametrize("service,scheme,starttls", [("imap", "imap", "yes"), ("imaps", "imaps", "no")])
def test_mutt_reads(system, account, tmp_path, service, scheme, starttls):
    """mutt opens the mailbox, copies the first message to a file and leaves."""
    need("mutt")
    with smtp(system) as client:
        client.sendmail("a@elsewhere.test", [account["address"]],
                        text_message("a@elsewhere.test", account["address"], "for mutt", "body for mutt\n"))
    copy = tmp_path / "copy"
    commands = tmp_path / "muttrc"
    commands.write_text(
        f'set folder="{scheme}://{system.host(service)}:{system.port(service)}/"\n'
        f'set spoolfile="+INBOX"\nset imap_user="{account["address"]}"\nset imap_pass="{account["password"]}"\n'
        f'set ssl_starttls={starttls}\nset ssl_force_tls=yes\nset ssl_verify_host=no\nset ssl_verify_dates=no\n'
        f'set certificate_file="{system.home}/tls/ca.pem"\nset confirmappend=no\nset mbox_type=mbox\nset copy=no\n'
        f'set header_cache=""\nset quit=yes\nset move=no\nset confirmcreate=no\nset wait_key=no\n'
        f'push "<copy-message><kill-line>{copy}<enter><exit>"\n')
    run_in_terminal("mutt", "-n", "-F", str(commands), "-f", "+INBOX",
                    env=os.environ | {"TERM": "xterm", "HOME": str(tmp_path)})
    assert "body for mutt" in copy.read_text()


def test_mutt_sends(system, account, tmp_path):
    need("mutt")
    subject = uuid.uuid4().hex
    commands = tmp_path / "muttrc"
    alice = system.alice
    user = alice["address"].replace("@", "%40")
    # Debian 12's mutt chooses SCRAM-SHA-256-PLUS by itself and then has no tls-exporter binding (RFC 9266) to offer.
    commands.write_text(
        f'set smtp_url="smtps://{user}@{system.host("submissions")}:{system.port("submissions")}/"\n'
        f'set smtp_pass="{alice["password"]}"\nset from="{alice["address"]}"\nset use_from=yes\nset copy=no\n'
        f'set envelope_from_address="{alice["address"]}"\nset use_envelope_from=yes\nset ssl_verify_host=no\n'
        'set smtp_authenticators="scram-sha-256"\n'
        f'set certificate_file="{system.home}/tls/ca.pem"\nset ssl_force_tls=yes\n')
    run("mutt", "-n", "-F", str(commands), "-s", subject, account["address"],
        input="sent by mutt\n", env=os.environ | {"TERM": "xterm", "HOME": str(tmp_path)})
    assert b"sent by mutt" in wait_for_subject(system, account, subject)


@pytest.mark.parametrize("service,ssl_type", [("imap", "STARTTLS"), ("imaps", "IMAPS")])
def test_mbsync_synchronises_both_ways(system, account, tmp_path, service, ssl_type):
    need("mbsync")
    with smtp(system) as client:
        for number in range(20):
            client.sendmail("a@elsewhere.test", [account["address"]],
                            text_message("a@elsewhere.test", account["address"], f"number {number}"))
    maildir = tmp_path / "maildir"
    maildir.mkdir()
    configuration = tmp_path / "mbsyncrc"
    configuration.write_text(
        f"IMAPStore far\nHost {system.host(service)}\nPort {system.port(service)}\nUser {account['address']}\n"
        f"Pass {account['password']}\nSSLType {ssl_type}\nCertificateFile {system.home}/tls/ca.pem\n\n"
        f"MaildirStore near\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n"
        "Channel mail\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n")
    mbsync = ["mbsync", "-c", str(configuration), "mail"]
    run(*mbsync, env=os.environ | {"HOME": str(tmp_path)})
    inbox = maildir / "INBOX"
    files = [*(inbox / "new").iterdir(), *(inbox / "cur").iterdir()]
    assert len(files) == 20
    # One removed here, one written here: both must reach the server, and a further run changes nothing.
    files[0].unlink()
    (inbox / "new" / "1.written.here").write_bytes(
        text_message("b@example.test", account["address"], "written here").replace(b"\r\n", b"\n"))
    run(*mbsync, env=os.environ | {"HOME": str(tmp_path)})
    run(*mbsync, env=os.environ | {"HOME": str(tmp_path)})
    assert count(system, account) == 20
    assert len([*(inbox / "new").iterdir(), *(inbox / "cur").iterdir()]) == 20
