#!/usr/bin/env python3
"""Sends one message by SMTP and reads it back by IMAP, as a stranger's server and a user would.

usage: check-mail.py CONNECTION.JSON CA.PEM
"""

import email
import imaplib
import json
import smtplib
import ssl
import sys
import time
import uuid


def main():
    connection_path, authority = sys.argv[1:]
    with open(connection_path) as file:
        connection = json.load(file)
    alice, bob = connection["accounts"]
    marker = uuid.uuid4().hex
    text = (
        f"From: {bob['address']}\r\nTo: {alice['address']}\r\nSubject: deploy check\r\n"
        f"Message-ID: <{marker}@example.test>\r\n\r\nThis message came by SMTP and is read by IMAP.\r\n"
    )
    # Right after the start a peer may still be on its way: the same patience that any mail server has.
    deadline = time.monotonic() + 30
    while True:
        try:
            with smtplib.SMTP(connection["smtp"]["host"], connection["smtp"]["port"], timeout=30) as smtp:
                smtp.sendmail(bob["address"], [alice["address"]], text)
            break
        except (smtplib.SMTPException, OSError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"SMTP: {error}")
            time.sleep(0.5)

    trust = ssl.create_default_context(cafile=authority)
    with imaplib.IMAP4_SSL(connection["imaps"]["host"], connection["imaps"]["port"], ssl_context=trust, timeout=30) as imap:
        imap.login(alice["address"], alice["password"])
        imap.select("INBOX")
        while True:
            _, (found,) = imap.search(None, "HEADER", "Message-ID", f'"<{marker}@example.test>"')
            if found:
                break
            if time.monotonic() > deadline:
                raise SystemExit("IMAP: the message is not in the INBOX")
            time.sleep(0.2)
            imap.noop()
        number = found.split()[-1]
        _, parts = imap.fetch(number, "(BODY.PEEK[])")
        message = email.message_from_bytes(parts[0][1])
        if message["Message-ID"] != f"<{marker}@example.test>":
            raise SystemExit("IMAP: another message came back")
        imap.store(number, "+FLAGS", r"(\Deleted)")
        imap.expunge()


try:
    main()
except (imaplib.IMAP4.error, OSError) as error:
    raise SystemExit(f"IMAP: {error}")
