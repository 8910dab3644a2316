"""How often a sweep runs at once, over real connections: places are taken, left, found again, and word is left."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connections
from django.db.models.functions import Now
from structlog.testing import capture_logs

from shop import transactions
from shop.models import RunningSweep
from shop.work import places
from shop.work.places import run_in_place
from shop.work.sweeps import Sweep

NAME = "bench.sweep"
DEADLINE = 60


@pytest.fixture
def threads():
    with ThreadPoolExecutor(max_workers=8, initializer=lambda: None) as pool:
        yield lambda call: pool.submit(closing(call))


def closing(call):
    def run():
        try:
            return call()
        finally:
            connections.close_all()

    return run


class Run:
    """A run that begins, and goes on when the test says so."""

    def __init__(self):
        self.count = 0
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self):
        self.count += 1
        self.begun.set()
        assert self.goes_on.wait(DEADLINE)
        return 1


def test_a_sweep_that_runs_is_not_begun_again_but_looks_once_more(threads):
    run, others = Run(), []
    first = threads(lambda: run_in_place(NAME, run, at_once=1))
    assert run.begun.wait(DEADLINE)

    for _time in range(3):
        assert run_in_place(NAME, lambda: others.append(1) or 1, at_once=1) == 0
    run.goes_on.set()

    assert first.result(DEADLINE) == 2
    assert (run.count, others) == (2, [])
    assert run_in_place(NAME, lambda: 5, at_once=1) == 5, "the place is free again"


def test_as_many_run_at_once_as_there_are_places(threads):
    runs = [Run(), Run()]
    futures = []
    for run in runs:
        futures.append(threads(lambda run=run: run_in_place(NAME, run, at_once=2)))
        assert run.begun.wait(DEADLINE)

    assert run_in_place(NAME, lambda: 1, at_once=2) == 0
    assert run_in_place("bench.other", lambda: 1, at_once=1) == 1, "another sweep has places of its own"
    for run in runs:
        run.goes_on.set()
    assert [future.result(DEADLINE) for future in futures] == [2, 2]


def test_eight_at_once_run_one_after_the_other_and_miss_nothing(threads):
    """Each leaves a row before it asks: none may be left when all have come back."""
    waiting: list[int] = []
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def run():
        running.append(1)
        most.append(len(running))
        done = 0
        while waiting:
            waiting.pop()
            done += 1
        running.pop()
        return done

    def ask(number):
        with lock:
            waiting.append(number)
        return run_in_place(NAME, run, at_once=1)

    futures = [threads(lambda number=number: ask(number)) for number in range(64)]
    done = sum(future.result(DEADLINE) for future in futures)

    assert (waiting, done, max(most)) == ([], 64, 1)


def test_the_place_of_a_process_that_died_is_free_after_a_while():
    class PowerCut(BaseException):
        pass

    def die():
        raise PowerCut

    with pytest.raises(PowerCut):
        run_in_place(NAME, die, at_once=1)
    assert run_in_place(NAME, lambda: 1, at_once=1) == 0, "nobody knows yet that it is dead"

    RunningSweep.objects.update(until=Now())

    assert run_in_place(NAME, lambda: 1, at_once=1) == 1


def test_a_place_that_is_taken_for_longer_than_anybody_may_is_free():
    RunningSweep.objects.create(sweep=NAME, place=1, until=Now() + timedelta(hours=1), asked_again=False)

    assert run_in_place(NAME, lambda: 1, at_once=1) == 1
    assert not RunningSweep.objects.filter(until__gt=Now()).exists(), "the run has left the place"


@pytest.mark.parametrize("error", [ZeroDivisionError, SoftTimeLimitExceeded])
def test_a_run_that_fails_leaves_its_place_and_its_error_rises(error):
    def fail():
        raise error

    with pytest.raises(error):
        run_in_place(NAME, fail, at_once=1)

    assert run_in_place(NAME, lambda: 1, at_once=1) == 1


def test_a_run_that_lost_its_place_leaves_the_next_one_s_alone(threads):
    run, heir = Run(), Run()
    slow = threads(lambda: run_in_place(NAME, run, at_once=1))
    assert run.begun.wait(DEADLINE)
    RunningSweep.objects.update(until=Now() - timedelta(seconds=1))
    second = threads(lambda: run_in_place(NAME, heir, at_once=1))
    assert heir.begun.wait(DEADLINE)

    run.goes_on.set()
    assert slow.result(DEADLINE) == 1

    assert run_in_place(NAME, lambda: 1, at_once=1) == 0, "the heir still runs"
    heir.goes_on.set()
    assert second.result(DEADLINE) == 2


def test_asked_for_without_end_a_run_gives_its_place_to_others(monkeypatch):
    monkeypatch.setattr(places, "PLACE_SECONDS", 0.0)
    runs = []

    def run():
        runs.append(1)
        run_in_place(NAME, run, at_once=1) if len(runs) < 3 else None
        return 1

    assert run_in_place(NAME, run, at_once=1) == 1


def test_a_sweep_of_the_registry_runs_in_its_places(threads):
    run = Run()
    sweep = Sweep("bench.swept", "orders", 60, run, None, at_once=1)
    first = threads(sweep.run_in_place)
    assert run.begun.wait(DEADLINE)
    assert sweep.run_in_place() == 0
    run.goes_on.set()
    assert first.result(DEADLINE) == 2


def test_the_table_is_not_logged():
    with connections[transactions.alias_for("shop")].cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'shop_runningsweep'")
        assert cursor.fetchone() == ("u",)


def test_a_run_that_fails_while_the_database_is_away_raises_its_own_error_and_its_place_is_free_after_a_while(
    monkeypatch,
):
    def fail():
        raise ZeroDivisionError

    def away(*_place, **_how):
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as gone, capture_logs() as logs:
        gone.setattr(places, "_end", away)
        with pytest.raises(ZeroDivisionError):
            run_in_place(NAME, fail, at_once=1)
    assert [line["event"] for line in logs] == ["work.place_not_left"]
    assert run_in_place(NAME, lambda: 1, at_once=1) == 0

    RunningSweep.objects.update(until=Now())
    assert run_in_place(NAME, lambda: 1, at_once=1) == 1
