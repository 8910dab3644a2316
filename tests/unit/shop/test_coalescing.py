"""Batches: who is answered with whom, in which order, and that everybody is answered whatever happens."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest
from prometheus_client import REGISTRY

from shop import coalescing, transactions
from shop.coalescing import Batch, NotAnswered, QueueFull
from tests.driver.waiting import until


class Kitchen:
    """A use case of numbers: answers each with its square, leaves out the negative, notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = Event()
        self.open.set()
        self.fails_with: BaseException | None = None
        self.batch: Batch[int, object] = Batch("inventory", "cook", key=lambda wish: wish, run=self.cook)
        self.batch.alone_if_nobody_else_asks = False

    def cook(self, wishes: Sequence[int]) -> dict[int, int]:
        self.batches.append(list(wishes))
        assert self.open.wait(60)
        if self.fails_with is not None:
            raise self.fails_with
        return {wish: wish * wish for wish in wishes if wish >= 0}

    def ask(self, wish: int, *, seconds: float = 60) -> object:
        return self.batch.ask(wish, seconds=seconds, alone=lambda: ("alone", wish), left=lambda: ("left", wish))

    def has_waiting(self, number: int) -> bool:
        return coalescing._workers["inventory"].queue.qsize() == number


@pytest.fixture
def kitchen(settings) -> Iterator[Kitchen]:
    settings.COALESCE = True
    coalescing._workers.clear()
    made = Kitchen()
    yield made
    made.open.set()
    coalescing.stop()
    coalescing._batches.remove(made.batch)


@pytest.fixture
def ask_at_once(kitchen: Kitchen) -> Iterator[Callable[[Sequence[int]], list[Future[object]]]]:
    """Return a function that has one wish cooked, and these wait behind it, in this order."""
    with ThreadPoolExecutor(20) as pool:

        def ask(wishes: Sequence[int]) -> list[Future[object]]:
            kitchen.open.clear()
            asked = [pool.submit(kitchen.ask, 100)]
            until(lambda: kitchen.batches, "the first is cooked")
            for number, wish in enumerate(wishes, start=1):
                asked.append(pool.submit(kitchen.ask, wish))
                until(partial(kitchen.has_waiting, number), "it waits")
            return asked

        yield ask
        kitchen.open.set()


def results(asked: Sequence[Future[object]]) -> list[object]:
    return [future.result(60) for future in asked]


def test_all_who_wait_are_answered_together_first_come_first_served(kitchen, ask_at_once):
    asked = ask_at_once([3, 1, 2])
    kitchen.open.set()

    assert results(asked) == [10000, 9, 1, 4]
    assert kitchen.batches == [[100], [3, 1, 2]]


def test_batch_is_bounded_and_the_rest_is_in_the_next(kitchen, ask_at_once, monkeypatch):
    monkeypatch.setattr(coalescing, "LARGEST", 2)
    asked = ask_at_once([1, 2, 3])
    kitchen.open.set()

    assert results(asked) == [10000, 1, 4, 9]
    assert kitchen.batches == [[100], [1, 2], [3]]


def test_wish_that_the_batch_leaves_out_goes_on_and_its_neighbours_do_not_notice(kitchen, ask_at_once):
    asked = ask_at_once([1, -1, 2])
    kitchen.open.set()

    assert results(asked) == [10000, 1, ("left", -1), 4]


def test_wishes_of_a_batch_that_fails_each_go_alone(kitchen, ask_at_once):
    asked = ask_at_once([1, 2])
    kitchen.fails_with = ValueError("one of these is bad")
    kitchen.open.set()

    assert results(asked) == [("alone", 100), ("alone", 1), ("alone", 2)]
    kitchen.fails_with = None
    assert kitchen.ask(3) == 9


def test_second_wish_of_a_key_is_not_in_the_batch_of_the_first(kitchen, ask_at_once):
    asked = ask_at_once([1, 1, 2])
    kitchen.open.set()

    assert results(asked) == [10000, 1, ("alone", 1), 4]
    assert kitchen.batches[1] == [1, 2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_everybody_is_answered_when_the_thread_dies(kitchen, ask_at_once):
    asked = ask_at_once([1, 2])
    first = coalescing._workers["inventory"]
    kitchen.fails_with = SystemExit()
    kitchen.open.set()

    assert results(asked) == [("alone", 100), ("alone", 1), ("alone", 2)]
    first.join(60)
    assert not first.is_alive()
    kitchen.fails_with = None
    assert kitchen.ask(3) == 9


def test_wish_that_comes_as_the_thread_ends_is_answered(kitchen, monkeypatch):
    assert kitchen.ask(1) == 1
    ending = coalescing._workers["inventory"]
    coalescing.stop()
    monkeypatch.setattr(coalescing, "_working", lambda _context: ending)  # as a caller that looked a moment before

    assert kitchen.ask(2) == ("alone", 2)


def test_everybody_is_answered_when_the_process_stops(kitchen, ask_at_once):
    asked = ask_at_once([1, 2])
    stopped = threading.Thread(target=coalescing.stop)
    stopped.start()
    until(lambda: kitchen.has_waiting(3), "it is told to stop")
    kitchen.open.set()
    stopped.join(60)

    assert results(asked) == [10000, 1, 4]
    assert not coalescing._workers["inventory"].is_alive()


def test_who_is_not_answered_in_time_is_told_and_is_not_served_later(kitchen, ask_at_once):
    asked = ask_at_once([])
    with pytest.raises(NotAnswered):
        kitchen.ask(1, seconds=0.01)
    kitchen.open.set()

    assert results(asked) == [10000]
    assert kitchen.ask(2) == 4
    assert kitchen.batches == [[100], [2]]


def test_thread_that_hangs_is_left_behind_and_another_answers(kitchen, ask_at_once, monkeypatch):
    asked = ask_at_once([1])
    stuck = coalescing._workers["inventory"]
    monkeypatch.setattr(coalescing, "STUCK_SECONDS", 0)
    with pytest.raises(NotAnswered):
        kitchen.ask(2, seconds=0.01)

    assert asked[1].result(60) == ("alone", 1)
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(kitchen.ask, 3)
        until(lambda: len(kitchen.batches) == 2, "another thread has taken it")
        kitchen.open.set()
        assert later.result(60) == 9
    stuck.join(60)
    assert not stuck.is_alive()


def test_nobody_queues_behind_a_batch_that_takes_long(kitchen, ask_at_once, monkeypatch):
    asked = ask_at_once([])
    monkeypatch.setattr(coalescing, "SLOW_SECONDS", 0)

    assert kitchen.ask(1) == ("alone", 1)

    kitchen.open.set()
    assert results(asked) == [10000]
    monkeypatch.undo()
    assert kitchen.ask(2) == 4
    assert kitchen.batches == [[100], [2]]


def test_thread_that_hangs_is_left_behind_also_where_nobody_waits_for_it(kitchen, ask_at_once, monkeypatch):
    asked = ask_at_once([])
    stuck = coalescing._workers["inventory"]
    monkeypatch.setattr(coalescing, "SLOW_SECONDS", 0)
    monkeypatch.setattr(coalescing, "STUCK_SECONDS", 0)

    assert kitchen.ask(1) == ("alone", 1)
    assert stuck.ended

    kitchen.open.set()
    assert results(asked) == [10000]


def test_queue_is_bounded(kitchen, ask_at_once, monkeypatch):
    monkeypatch.setattr(coalescing, "LONGEST_QUEUE", 2)
    asked = ask_at_once([1, 2])
    with pytest.raises(QueueFull):
        kitchen.ask(3)
    kitchen.open.set()

    assert results(asked) == [10000, 1, 4]


def test_thread_that_nobody_needs_ends_and_the_next_caller_starts_another(kitchen, monkeypatch):
    monkeypatch.setattr(coalescing, "IDLE_SECONDS", 0.5)
    assert kitchen.ask(1) == 1
    first = coalescing._workers["inventory"]
    first.join(60)

    assert not first.is_alive()
    assert kitchen.ask(2) == 4
    assert coalescing._workers["inventory"] is not first


def test_child_of_a_fork_has_a_thread_of_its_own(kitchen):
    assert kitchen.ask(1) == 1

    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if kitchen.ask(2) == 4 else 2
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert kitchen.ask(3) == 9


def test_what_waits_for_two_use_cases_of_a_context_is_answered_by_one_thread_in_a_transaction_each(
    kitchen, ask_at_once
):
    other = Kitchen()
    with ThreadPoolExecutor(1) as pool:
        asked = ask_at_once([1])
        asked.append(pool.submit(other.ask, 5))
        until(lambda: kitchen.has_waiting(2), "both wait")
        kitchen.open.set()

        assert results(asked) == [10000, 1, 25]
    assert (kitchen.batches, other.batches) == ([[100], [1]], [[5]])
    assert list(coalescing._workers) == ["inventory"]
    coalescing._batches.remove(other.batch)


def test_lone_caller_goes_alone_and_no_thread_is_started(kitchen):
    kitchen.batch.alone_if_nobody_else_asks = True

    assert kitchen.ask(1) == ("alone", 1)
    assert coalescing._workers == {}


def test_everybody_goes_alone_where_the_setting_is_off(kitchen, settings):
    settings.COALESCE = False

    assert kitchen.ask(1) == ("alone", 1)
    assert kitchen.batches == []


def test_who_has_a_transaction_open_is_refused(kitchen, monkeypatch):
    monkeypatch.setattr(transactions, "forbid", refuse)

    with pytest.raises(transactions.TransactionMisuse):
        kitchen.ask(1)
    assert kitchen.batches == []


def refuse() -> None:
    raise transactions.TransactionMisuse


def test_sizes_and_the_queue_are_in_the_metrics(kitchen, ask_at_once):
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"use_case": "cook", **labels}) or 0.0

    wishes, batches = counted("shop_batch_wishes_sum"), counted("shop_batch_wishes_count")
    left = counted("shop_batch_left_total", why="left out")
    asked = ask_at_once([1, -1])
    kitchen.open.set()
    results(asked)

    assert counted("shop_batch_wishes_sum") - wishes == 3
    assert counted("shop_batch_wishes_count") - batches == 2
    assert counted("shop_batch_left_total", why="left out") - left == 1


def test_where_no_thread_can_be_started_each_goes_alone(kitchen, monkeypatch):
    def full(_worker: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as no_more:
        no_more.setattr(coalescing._Worker, "start", full)
        assert kitchen.ask(3) == ("alone", 3)

    assert kitchen.ask(3) == 9
