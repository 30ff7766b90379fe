"""When the fault harness is certain of two copies of a message that was sent twice, and when it gives senders up."""

import time

import pytest

from faults.board import LOOK_SECONDS, wait_while_fewer
from faults.journal import ConnectionRecord, Delivery, Entry, Journal, Second
from faults.strikes import Striker

FRONT, NAME = "smtp-ingress", "f@example.test"


class Story:
    """A message that is sent, and sent again behind an end in order."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.entry = Entry(1, "smtp", "s@elsewhere.test", {NAME: Delivery()}, b"", 1, Second.AFTER_END)

    def send(self) -> ConnectionRecord:
        connection = self.journal.connection("smtp", FRONT, "direct")
        self.journal.begin_submission(self.entry)
        self.journal.accepted(self.entry, NAME, connection, "250")
        connection.ended_in_order = True
        return connection

    def certain(self) -> int:
        self.journal.judge_seconds()
        return self.entry.deliveries[NAME].certain


def test_an_honest_second_is_certain_when_nobody_died():
    story = Story()
    story.send()
    assert story.certain() == 1
    story.send()
    assert story.certain() == 2


def test_it_is_not_when_the_first_connection_did_not_end_in_order():
    story = Story()
    story.send().ended_in_order = False
    story.send()
    assert story.certain() == 1


@pytest.mark.parametrize(("service", "certain"), [(FRONT, 1), ("imap-access", 2)])
def test_it_is_not_when_one_that_serves_such_connections_died_between(service, certain):
    story = Story()
    story.send()
    story.journal.died(service)
    story.send()
    assert story.certain() == certain


def test_who_died_before_or_after_makes_no_difference():
    story = Story()
    story.journal.died(FRONT)
    time.sleep(0.001)
    story.send()
    story.send()
    time.sleep(0.001)
    story.journal.died(FRONT)
    assert story.certain() == 2


def test_a_death_may_become_known_later():
    story = Story()
    story.send()
    began = time.monotonic()
    story.send()
    story.journal.died(FRONT, began)
    assert story.certain() == 1


@pytest.mark.parametrize(("stopped", "outages", "is_dead"), [
    (10, [], False), (15, [], True),
    # From so many seconds ago on, for so many: right before the stop, long before it, and still.
    (10, [(14.5, 5)], True), (10, [(20, 5)], False), (10, [(1, 6)], True), (5, [(9, 5), (14.5, 5)], True)])
def test_who_was_stopped_for_long_may_be_taken_for_dead(stopped, outages, is_dead):
    story = Story()
    striker = Striker(None, story.journal, None, verbose=False)
    now = time.monotonic()
    striker._outages = [(now - ago, seconds) for ago, seconds in outages]
    striker._was_silent(FRONT, now - stopped)
    assert bool(story.journal.deaths) == is_dead


def test_senders_are_given_up_when_none_gets_on():
    looks = iter([3, 3, 2, 2, 1, 1, 0])
    assert wait_while_fewer(lambda: next(looks), 2 * LOOK_SECONDS)
    looks = iter([3, 2, 2, 2, 1])
    assert not wait_while_fewer(lambda: next(looks), 2 * LOOK_SECONDS)


def test_a_story_tells_what_struck_between_the_events():
    story = Story()
    story.send()
    (begun, _, _), (known, number, _) = story.entry.events
    lines = story.journal.story(story.entry, [((begun + known) / 2, "kill: storage.0"), (known + 1, "calm")])
    assert [line.split(" s  ")[1] for line in lines[1:]] == [
        "connection      -  submission 1 begun", "fault  kill: storage.0", f"connection {number:>6}  {NAME}: 250",
        "fault  calm"]
