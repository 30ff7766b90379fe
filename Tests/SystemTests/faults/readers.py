"""Readers: users whose clients append messages, and repeat an APPEND whose outcome they did not read."""

from __future__ import annotations

import time
import typing

from .imap import IMAPSession
from .journal import ConnectionRecord, Entry, Second
from .wire import Lost

if typing.TYPE_CHECKING:
    from .senders import Sender

MAILBOX = "Numbered"


def append_all(sender: Sender, session: IMAPSession, record: ConnectionRecord, entries: list[Entry]) -> bool:
    """Every entry, and the end; true when the session ended in order."""
    is_pipelined = sender.random.random() < 0.5
    if is_pipelined and len(entries) > 1 and sender.random.random() < 0.5:
        _append_stream(sender, session, record, entries)
    else:
        for entry in entries:
            _append(sender, session, record, entry, is_pipelined)
            if entry.pending and sender.random.random() < 0.4:
                time.sleep(sender.random.uniform(0, 0.5))
                _append(sender, session, record, entry, is_pipelined)
            if entry.second is Second.SAME_CONNECTION and entry.submission == 1 and entry.is_accepted:
                sender.journal.begin_submission(entry)
                _append(sender, session, record, entry, is_pipelined)
    if sender.random.random() < 0.12:
        sender.give_up(session)
        return False
    return session.logout()


def _line(entry: Entry, octets: bytes, is_pipelined: bool) -> str:
    _, flags, date = entry.origin.split("|")
    return IMAPSession.append_line(MAILBOX, flags, date, octets, is_pipelined)


def _learn(sender: Sender, record: ConnectionRecord, entry: Entry, completion: tuple[str, str]) -> None:
    name, reply = next(iter(entry.deliveries)), " ".join(completion)
    if completion[0] == "OK":
        sender.journal.accepted(entry, name, record, reply)
    elif completion[0] == "NO":
        entry.is_in_doubt = True
        sender.journal.deferred(entry, name, record, reply)
    else:
        sender.journal.refused(entry, name, record, reply)


def _append(sender: Sender, session: IMAPSession, record: ConnectionRecord, entry: Entry, is_pipelined: bool) -> None:
    octets = sender.board.message(entry).octets
    line = _line(entry, octets, is_pipelined)
    sender.journal.tried(entry, record, "APPEND" + ", LITERAL+" * is_pipelined)
    is_sent = False
    try:
        if is_pipelined:
            is_sent = True
            tag = session.next_tag()
            session.send(f"{tag} {line}\r\n".encode() + octets + b"\r\n")
        else:
            tag, refusal = session.begin_append(line)
            if refusal:
                return _learn(sender, record, entry, refusal)
            is_sent = True
            session.send(octets + b"\r\n")
        _learn(sender, record, entry, session.completion(tag))
    except Lost as loss:
        sender.journal.lost(entry, record, str(loss), is_sent)
        raise


def _append_stream(sender: Sender, session: IMAPSession, record: ConnectionRecord, entries: list[Entry]) -> None:
    """All commands before any answer is read."""
    parts, tags = [], []
    for entry in entries:
        octets = sender.board.message(entry).octets
        sender.journal.tried(entry, record, "APPEND, LITERAL+, all in one stream")
        tags.append(session.next_tag())
        parts.append(f"{tags[-1]} {_line(entry, octets, True)}\r\n".encode() + octets + b"\r\n")
    try:
        session.send(b"".join(parts))
        for tag, entry in zip(tags, entries):
            _learn(sender, record, entry, session.completion(tag))
    except Lost as loss:
        for entry in entries:
            if entry.pending:
                sender.journal.lost(entry, record, str(loss), True)
        raise
