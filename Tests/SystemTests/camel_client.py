#!/usr/bin/python3
"""Reads and changes an account through Camel, the library by which Evolution reads mail: its IMAP provider, without
Evolution's window. Needs Debian's gir1.2-camel-1.2 and python3-gi, hence Debian's own Python.

usage: camel_client.py FOLDER PORT USER PASSWORD ACTION [ARGUMENT...]

Prints what the action found as JSON. FOLDER keeps Camel's summaries and cache from one run to the next.
"""

import json
import sys

import gi

gi.require_version("Camel", "1.2")
from gi.repository import Camel  # noqa: E402


class Session(Camel.Session):
    def do_trust_prompt(self, service, certificate, errors):
        # The test's authority is in no system's list.
        return Camel.CertTrust.TEMPORARY

    def do_authenticate_sync(self, service, mechanism, cancellable):
        return service.authenticate_sync(mechanism, cancellable) == Camel.AuthenticationResult.ACCEPTED


def open_store(folder: str, port: str, user: str, password: str):
    Camel.init(folder, True)
    Camel.provider_init()
    session = Session(user_data_dir=f"{folder}/data", user_cache_dir=f"{folder}/cache")
    session.set_online(True)
    store = session.add_service("account", "imapx", Camel.ProviderType.STORE)
    settings = store.ref_settings()
    for name, value in {"host": "localhost", "port": int(port), "user": user, "auth-mechanism": "PLAIN",
                        "security-method": Camel.NetworkSecurityMethod.SSL_ON_ALTERNATE_PORT,
                        "use-idle": True, "use-qresync": True, "use-subscriptions": False}.items():
        settings.set_property(name, value)
    store.set_password(password)
    store.set_online_sync(True, None)
    store.connect_sync(None)
    return session, store


def show(folder) -> dict[str, list[str]]:
    """Letters by subject, and how many octets of each message's text Camel reads."""
    folder.refresh_info_sync(None)
    found = {}
    for uid in folder.get_uids():
        info = folder.get_message_info(uid)
        flags = info.get_flags()
        letters = "".join(letter for letter, flag in (
            ("F", Camel.MessageFlags.FLAGGED), ("R", Camel.MessageFlags.ANSWERED), ("S", Camel.MessageFlags.SEEN))
            if flags & flag)
        message = folder.get_message_sync(uid, None)
        found[message.get_subject()] = [letters, uid]
    return found


def main() -> None:
    place, port, user, password, action, *rest = sys.argv[1:]
    session, store = open_store(place, port, user, password)
    if action == "show":
        answer = {subject: letters for subject, (letters, _) in show(store.get_folder_sync(rest[0], 0, None)).items()}
    elif action == "change":
        # Flags one, files one in another folder, removes one, and makes a folder.
        flagged, filed, target, removed = rest
        inbox = store.get_folder_sync("INBOX", 0, None)
        known = show(inbox)
        inbox.set_message_flags(known[flagged][1], Camel.MessageFlags.FLAGGED | Camel.MessageFlags.SEEN,
                                Camel.MessageFlags.FLAGGED | Camel.MessageFlags.SEEN)
        inbox.set_message_flags(known[removed][1], Camel.MessageFlags.DELETED, Camel.MessageFlags.DELETED)
        store.create_folder_sync("", target, None)
        inbox.transfer_messages_to_sync([known[filed][1]], store.get_folder_sync(target, 0, None), True, None)
        inbox.synchronize_sync(True, None)
        answer = None
    store.disconnect_sync(True, None)
    # Camel's own words are on the same output.
    print(f"\nanswer: {json.dumps(answer)}", flush=True)


main()
