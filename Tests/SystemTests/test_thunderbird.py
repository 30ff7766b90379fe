"""Thunderbird itself, without a window: it opens an account, reads, marks, files, deletes and is told of new mail.

Its package is large, so deploy/test does not install it: `apt-get install thunderbird` does.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import wait_until
from mail import smtp, text_message
from mailbox_contents import Server
from marionette import Marionette

PREFERENCES = {
    # Nothing but this machine is spoken to.
    "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1",
    "app.update.auto": False, "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False, "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "extensions.update.enabled": False, "services.settings.server": "http://127.0.0.1:9/",
    # No questions.
    "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.rights.version": 1,
    "mailnews.start_page.enabled": False, "mail.shell.checkDefaultClient": False,
    "mail.startup.enabledMailCheckOnce": True,
    "app.donation.eoy.version.viewed": 999, "toolkit.cosmeticAnimations.enabled": False,
    "mail.server.default.offline_download": True,
}

PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.allServers.find(one => one.type == "imap");
const folder = path => path.split("/").reduce((parent, name) => parent.getChildNamed(name), server.rootFolder);
const messages = path => [...folder(path).messages];
const message = (path, subject) => messages(path).find(one => one.mime2DecodedSubject == subject);
const finished = work => new Promise((resolve, reject) => work({
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() {},
    onStopCopy(status) { status ? reject("copy: " + status) : resolve(); },
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
}));
"""

OPEN = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const [user, password, port, authority] = values;
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "CTu,CTu,CTu");
const server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
server.port = port;
server.socketType = Ci.nsMsgSocketType.SSL;
server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
server.password = password;
const identity = MailServices.accounts.createIdentity();
identity.email = user;
const account = MailServices.accounts.createAccount();
account.addIdentity(identity);
account.incomingServer = server;
server.performExpand(null);
"""


def message(subject: str, body: str = "Hello.\r\n") -> bytes:
    return (f"From: a@elsewhere.test\r\nTo: b@example.test\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@elsewhere.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n{body}").encode()


@pytest.fixture
def thunderbird(tmp_path):
    """A running Thunderbird with an empty profile, and the file of what it says to IMAP servers."""
    program = shutil.which("thunderbird")
    if not program:
        pytest.skip("Thunderbird is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = tmp_path / "profile"
    profile.mkdir()
    values = PREFERENCES | {"marionette.port": port}
    (profile / "user.js").write_text("".join(
        f'user_pref("{name}", {json.dumps(value)});\n' for name, value in values.items()))
    log = tmp_path / "imap"
    output = (tmp_path / "output").open("w+")
    process = subprocess.Popen(
        [program, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote",
         "--profile", str(profile)],
        stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        env=os.environ | {"HOME": str(tmp_path), "MOZ_LOG": "IMAP:4", "MOZ_LOG_FILE": str(log)})
    try:
        client = Marionette(port, 60)
        yield client, lambda: "".join(file.read_text(errors="replace") for file in tmp_path.glob("imap*"))
        client.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        print(output.read()[-2000:])


def test_thunderbird_reads_files_deletes_and_is_told_of_new_mail(system, account, thunderbird):
    client, log = thunderbird
    with Server(system, account) as server:
        server.append("INBOX", [(message(f"m{number}", "A line.\r\n" * 500), "") for number in range(1, 7)])
    authority = (system.home / "tls" / "ca.pem").read_text()
    authority = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", authority, re.DOTALL)[1]
    client.run(OPEN, account["address"], account["password"], system.port("imaps"), "".join(authority.split()))

    def run(script: str, *values):
        return client.run(PRELUDE + script, *values)
    wait_until(lambda: run('return server.rootFolder.containsChildNamed("INBOX")'), 30, "no INBOX")
    run('folder("INBOX").updateFolder(null)')
    wait_until(lambda: run('return messages("INBOX").length') == 6, 30, "not all messages")
    assert sorted(run('return messages("INBOX").map(one => one.subject)')) == [f"m{number}" for number in range(1, 7)]
    # Special uses are known by what the server says of them.
    for flag, name in (("Trash", "Trash"), ("SentMail", "Sent"), ("Drafts", "Drafts"), ("Archive", "Archive"),
                       ("Junk", "Junk")):
        assert run(f'return server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.{flag})?.name') == name
    # Whole messages, for reading without a connection.
    run('folder("INBOX").downloadAllForOffline(null, null)')
    offline = 'return messages("INBOX").filter(one => one.flags & Ci.nsMsgMessageFlags.Offline).length'
    wait_until(lambda: run(offline) == 6, 30, "not loaded")
    run('folder("INBOX").markMessagesRead([message("INBOX", "m1"), message("INBOX", "m2")], true)')
    run('folder("INBOX").markMessagesFlagged([message("INBOX", "m2")], true)')
    run('folder("INBOX").addKeywordsToMessages([message("INBOX", "m2")], "$label1")')
    run('server.rootFolder.createSubfolder("Größe", null)')
    wait_until(lambda: run('return server.rootFolder.containsChildNamed("Größe")'), 30, "no new folder")
    for target, subject, moves in (("Größe", "m3", "true"), ("Archive", "m4", "false")):
        run(f'await finished(listener => MailServices.copy.copyMessages(folder("INBOX"), '
            f'[message("INBOX", "{subject}")], folder("{target}"), {moves}, listener, null, false))')
    run('folder("INBOX").deleteMessages([message("INBOX", "m5")], null, false, true, null, false)')

    def letters(mailbox: str) -> list[str]:
        with Server(system, account) as server:
            return [letters for _, _, letters in server.read(mailbox)]
    wait_until(lambda: sorted(letters("INBOX")) == ["", "", "FS", "S"], 30, "not as it was done")
    assert len(letters("Gr&APYA3w-e")) == len(letters("Archive")) == 1
    wait_until(lambda: len(letters("Trash")) == 1, 30, "not in the trash")
    # It is told by IDLE: nobody asks it to look.
    with smtp(system) as sender:
        sender.sendmail("a@elsewhere.test", [account["address"]],
                        text_message("a@elsewhere.test", account["address"], "pushed"))
    wait_until(lambda: run('return !!message("INBOX", "pushed")'), 20, "it was not told of new mail")
    with Server(system, account) as server:
        uids = [uid for uid, _, letters in server.read("INBOX") if letters == "FS"]
        server.change("INBOX", [("-FLAGS.SILENT (\\Flagged)", uids)])
    wait_until(lambda: run('return !message("INBOX", "m2").isFlagged'), 20, "it was not told of a flag")
    said = re.findall(r"SendData: (.*)", log())
    print("\n".join(said))
    assert any(" IDLE" in line for line in said) and any("move" in line.lower() for line in said)
    assert not re.search(r"\bBAD\b", log())
