"""IMAP answers as Python values: lists, strings and None."""

import re

TOKEN = re.compile(rb'\(|\)|"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n|[^\s()"]+')


def parse(text: bytes):
    """One parenthesised value. Numbers stay numbers, NIL is None, strings are bytes."""
    stack: list[list] = [[]]
    position = 0
    while position < len(text):
        if text[position : position + 1] in b" \r\n":
            position += 1
            continue
        match = TOKEN.match(text, position)
        assert match, text[position : position + 60]
        position = match.end()
        token = match[0]
        if token == b"(":
            stack.append([])
        elif token == b")":
            done = stack.pop()
            stack[-1].append(done)
        elif token.startswith(b'"'):
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", token[1:-1]))
        elif match[1]:
            length = int(match[1])
            stack[-1].append(text[position : position + length])
            position += length
        elif token.upper() == b"NIL":
            stack[-1].append(None)
        elif token.isdigit():
            stack[-1].append(int(token))
        else:
            stack[-1].append(token)
    assert len(stack) == 1, "unbalanced"
    return stack[0]


def fetch_value(client, uid: int, item: str):
    """The value of one FETCH item, with imaplib's pieces joined again."""
    status, data = client.uid("FETCH", str(uid), f"({item})")
    assert status == "OK", data
    joined = b""
    for part in data:
        joined += part[0] + b"\r\n" + part[1] if isinstance(part, tuple) else part
    values = parse(joined[joined.index(b"(") :])[0]
    upper = [value.upper() if isinstance(value, bytes) else value for value in values[::2]]
    return values[2 * upper.index(item.encode()) + 1]
