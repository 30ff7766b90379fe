"""What the server announces stands in the README's table with the tests that exercise it, and these exist."""

import fnmatch
import imaplib
import re

import pytest

from conftest import CHECKOUT
from mail import imap, ok

TESTS = CHECKOUT / "Tests"


def table() -> list[tuple[list[str], list[str]]]:
    """Of each row the patterns of capabilities, and what it names as tests."""
    readme = (CHECKOUT / "README.md").read_text()
    section = readme.partition("\n## What IMAP clients find\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()
            if line.startswith("| ")]
    first = next(number for number, row in enumerate(rows) if row[0] == "capability")
    last = next((number for number in range(first + 1, len(rows)) if rows[number][0] == "client"), len(rows))
    return [
        (re.findall(r"[A-Z][A-Za-z0-9=+*-]{1,}", re.sub(r"`[^`]*`", "", row[0])), re.findall(r"`([^`]*)`", row[2]))
        for row in rows[first + 2:last]]


def exists(test: str, suites: str) -> bool:
    if test.endswith(".py"):
        return (CHECKOUT / test).exists() or (TESTS / "SystemTests" / test).exists()
    if test[0].isupper():
        return re.search(rf"\b(struct|class|enum) {test}\b", suites) is not None
    return any(TESTS.glob(f"*/Dialogues/{test}.txt")) or (TESTS / "SystemTests/dialogues/imap" / f"{test}.txt").exists()


@pytest.mark.parametrize("moment", ["before TLS", "before login", "after login"])
def test_every_capability_has_its_tests(system, account, moment):
    if moment == "after login":
        with imap(system, account) as client:
            announced = ok(client.capability())[0].decode().split()
    elif moment == "before login":
        with imaplib.IMAP4_SSL(system.host("imaps"), system.port("imaps"), ssl_context=system.tls, timeout=60) as client:
            announced = ok(client.capability())[0].decode().split()
    else:
        with imaplib.IMAP4(system.host("imap"), system.port("imap"), timeout=60) as client:
            announced = ok(client.capability())[0].decode().split()
    print(moment, *announced)
    patterns = [pattern for names, tests in table() for pattern in names if tests]
    assert len(announced) > 3
    assert [name for name in announced
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)] == []


def test_the_tests_that_are_named_exist():
    suites = "\n".join(path.read_text() for path in TESTS.glob("*/*.swift"))
    rows = table()
    assert len(rows) > 20
    assert [test for _, tests in rows for test in tests if not exists(test, suites)] == []
