"""What a process remembers of small tables: how old it may be, who reads it again, and who waits for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from shop.remembered import Remembered


@pytest.fixture(autouse=True)
def five_seconds(settings) -> None:
    settings.PRICING_RULES_SECONDS = 5


class Hands:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def counted(clock: Hands) -> tuple[Remembered[int], Iterator[int]]:
    answers = iter(range(1, 100))
    return Remembered(lambda: next(answers), clock=clock), answers


def test_it_is_read_once_and_again_when_it_is_too_old():
    clock = Hands()
    rules, _answers = counted(clock)

    first = [rules.get(), rules.get()]
    clock.at += 4.9
    still = rules.get()
    clock.at += 0.2
    later = rules.get()

    assert (first, still, later) == ([1, 1], 1, 2)


def test_zero_seconds_remember_nothing(settings):
    settings.PRICING_RULES_SECONDS = 0
    rules, _answers = counted(Hands())

    assert [rules.get(), rules.get()] == [1, 2]


def test_what_is_forgotten_is_read_again_and_what_is_put_is_not_read():
    rules, _answers = counted(Hands())
    rules.put(50)
    known = rules.get()

    rules.forget(sender=None)

    assert (known, rules.get()) == (50, 1)


def test_it_is_as_old_as_its_question_and_not_as_its_answer():
    clock = Hands()

    def slow_read() -> float:
        asked, clock.at = clock.at, clock.at + 4
        return asked

    rules = Remembered(slow_read, clock=clock)
    rules.get()
    clock.at += 2

    assert rules.get() == 106


def test_a_read_that_fails_leaves_no_answer_that_is_too_old():
    clock = Hands()
    fails = iter([False, True, False])

    def read() -> float:
        if next(fails):
            raise ConnectionError
        return clock.at

    rules = Remembered(read, clock=clock)
    rules.get()
    clock.at += 6

    with pytest.raises(ConnectionError):
        rules.get()
    assert rules.get() == 106


def test_the_others_go_on_with_the_old_answer_while_one_reads():
    clock = Hands()
    reading, go_on = threading.Event(), threading.Event()
    rules: Remembered[str]

    def read() -> str:
        reading.set()
        assert go_on.wait(60)
        return "new"

    rules = Remembered(read, clock=clock)
    rules.put("old")
    clock.at += 6
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(rules.get()))
    reader.start()
    assert reading.wait(60)

    meanwhile = rules.get()
    go_on.set()
    reader.join(60)

    assert (meanwhile, found, rules.get()) == ("old", ["new"], "new")


def test_who_waited_for_the_first_read_does_not_read_again():
    begun, goes_on = threading.Event(), threading.Event()
    reads: list[int] = []

    def read() -> int:
        reads.append(len(reads) + 1)
        begun.set()
        assert goes_on.wait(60)
        return len(reads)

    rules: Remembered[int] = Remembered(read, clock=Hands())
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(rules.get())) for _each in range(2)]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    goes_on.set()
    for thread in threads:
        thread.join(60)

    assert (answers, reads) == ([1, 1], [1])
