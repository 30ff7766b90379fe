"""What the fault harness holds filings against, held against what it must find."""

import collections

import pytest

from faults import audit
from faults.filings import FilingMaker, Filing, Kind, Source, Step
from faults.messages import MessageMaker

ACCOUNT = "f@example.test"
MAKER = FilingMaker(MessageMaker(7), {ACCOUNT: [Source(3, 9, b"Subject: parts\r\n\r\nof it\r\n")]})
DESK, TRAY, COPIES = "Desk", "Tray", "Copies"


def appended(count: int, *further: Step) -> Filing:
    """Of so many messages in one command, with the uids from 5 on."""
    filing = Filing(0, ACCOUNT, [Step(Kind.APPEND, DESK, count, (False,) * count), *further])
    filing.doubtful = 1
    filing.done(list(range(5, 5 + count)))
    return filing


def wrong(filing: Filing, *there: tuple[str, int, int]) -> list[str]:
    """What the comparison says to copies in a mailbox: message by its place in the filing, and uid."""
    numbers = [number for step in filing.steps for number in filing.numbers_of(step)]
    digests = MAKER.digests(filing)
    outcome = audit.FilingOutcome()
    copies = [(mailbox, numbers[index], audit.Copy(uid, digests[numbers[index]], True))
              for mailbox, index, uid in there]
    audit.judge_filing(filing, MAKER, copies, outcome)
    return [finding.what for finding in outcome.wrong]


def test_messages_of_one_command_are_there_once_and_all():
    filing = appended(2)
    assert wrong(filing, (DESK, 0, 5), (DESK, 1, 6)) == []
    assert wrong(filing, (DESK, 0, 5)) == ["missing"]
    assert wrong(filing, (DESK, 0, 5), (DESK, 1, 6), (DESK, 1, 7)) == ["doubled"]
    assert wrong(filing, (DESK, 0, 5), (TRAY, 1, 6)) == ["missing"]
    assert wrong(filing, (DESK, 0, 6), (DESK, 1, 5)) == ["other uids"]


def test_a_command_without_an_answer_was_done_wholly_or_not_at_all():
    filing = Filing(0, ACCOUNT, [Step(Kind.APPEND, DESK, 2, (False, True))])
    assert wrong(filing) == []
    assert wrong(filing, (DESK, 0, 5), (DESK, 1, 6)) == ["doubled"]
    filing.doubtful = 3
    assert wrong(filing) == []
    assert wrong(filing, (DESK, 0, 5), (DESK, 1, 6)) == []
    assert wrong(filing, (DESK, 0, 5)) == ["in part"]
    assert wrong(filing, (DESK, 0, 5), (DESK, 1, 6), (DESK, 0, 7), (DESK, 1, 8)) == ["doubled"]


def test_a_replaced_message_is_gone():
    filing = appended(1, Step(Kind.REPLACE, TRAY, 1, (False,)))
    assert wrong(filing, (DESK, 0, 5)) == []
    filing.doubtful = 1
    assert wrong(filing, (DESK, 0, 5)) == wrong(filing, (TRAY, 1, 1)) == []
    assert wrong(filing, (DESK, 0, 5), (TRAY, 1, 1)) == ["in part"]
    assert wrong(filing) == ["in part"]
    filing.done([1])
    assert wrong(filing, (TRAY, 1, 1)) == []
    assert wrong(filing, (DESK, 0, 5)) == ["missing"]
    assert wrong(filing, (DESK, 0, 5), (TRAY, 1, 1)) == ["doubled"]


def test_moved_messages_are_in_one_mailbox_and_copies_are_of_all():
    filing = appended(2, Step(Kind.MOVE, TRAY), Step(Kind.COPY, COPIES))
    filing.doubtful = 2
    assert wrong(filing, (DESK, 0, 5), (TRAY, 1, 1)) == ["in part"]
    # The second try had nothing to move, and told no uids.
    filing.done(None)
    moved = [(TRAY, 0, 1), (TRAY, 1, 2)]
    assert wrong(filing, *moved) == []
    assert wrong(filing, *moved, (DESK, 0, 5)) == ["doubled"]
    filing.doubtful = 1
    filing.done([1, 2])
    once, twice = [(COPIES, 0, 1), (COPIES, 1, 2)], [(COPIES, 0, 3), (COPIES, 1, 4)]
    assert wrong(filing, *moved, *once) == wrong(filing, *moved, *once, *twice) == []
    assert wrong(filing, *moved, *once, twice[0]) == ["in part"]
    assert wrong(filing, *moved) == ["missing"]


@pytest.mark.parametrize("gets_ok", [False, True])
def test_what_must_be_refused_leaves_nothing(gets_ok):
    filing = Filing(0, ACCOUNT, [Step(Kind.APPEND, DESK, 1, (False,), "an empty message behind")])
    filing.doubtful = 1
    if gets_ok:
        filing.done([1])
        assert filing.wrong != []
    else:
        filing.refused("NO")
        assert filing.wrong == []
    assert filing.step is None
    assert wrong(filing, (DESK, 0, 1)) == ["doubled"]


def test_what_must_not_be_refused_is_told():
    filing = appended(1, Step(Kind.MOVE, TRAY))
    filing.refused("NO [NONEXISTENT]")
    assert filing.wrong == ["MOVE to Tray was refused: NO [NONEXISTENT]"]


def test_an_altered_message_is_found():
    filing = appended(1)
    outcome = audit.FilingOutcome()
    audit.judge_filing(filing, MAKER, [(DESK, filing.messages[0], audit.Copy(5, b"another", True))], outcome)
    assert [finding.what for finding in outcome.wrong] == ["altered"]


def test_every_filing_is_well_made():
    kinds = collections.Counter()
    for number in range(2_000):
        filing = MAKER.make(number, ACCOUNT)
        assert filing.steps[-1 if len(filing.steps) == 1 else 0].kind is Kind.APPEND
        seen: set[int] = set()
        for step in filing.steps:
            numbers = filing.numbers_of(step)
            assert not seen & set(numbers)
            seen.update(numbers)
            kinds[step.kind, step.count > 1, bool(step.wrong), any(step.catenates)] += 1
            for content in MAKER.contents(filing, step):
                assert content.is_catenated or len(content.parts) == 1
        assert (filing.numbers_of(filing.steps[0])[0]) // 100 % 10_000_000 == number
    # Every kind of command, alone and together, right and wrong, made of parts and not.
    assert {kind for kind, *_ in kinds} == set(Kind)
    assert len(kinds) >= 12, kinds
