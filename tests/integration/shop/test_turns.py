"""A turn at what is due: what becomes of a row, and of the turn, whatever happens to the work."""

from dataclasses import replace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import REGISTRY

from payments.models import StrayIntent
from shop.errors import Fault, Refusal
from shop.work import background, turn
from shop.work.rows import DueRows
from shop.work.turn import Work, take_turn
from tests.driver.strays import make_strays

LEASE_SECONDS = 120
ROWS = DueRows(model=StrayIntent, lease_seconds=lambda: LEASE_SECONDS, read=str, columns=("intent_id",), name="turns")


def told_out_of_time(sweep):
    return REGISTRY.get_sample_value("shop_turns_out_of_time_total", {"sweep": sweep}) or 0


@pytest.fixture
def woken(monkeypatch):
    """Return the sweeps that were asked for."""
    names = []
    monkeypatch.setattr(turn, "wake", lambda name, **_context: names.append(name))
    return names


class Clock:
    """Stands for the module `time`: a second passes with each row that is worked."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(turn, "time", made)
    return made


def work(do, **options):
    return Work(sweep="payments.settle_strays", rows=ROWS, do=do, **options)


def doing(trouble, seen):
    """Return work that notes what it gets, and raises at the first row."""

    def do(intent_id):
        seen.append(intent_id)
        if intent_id == "pi_0":
            raise trouble
        StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

    return do


def rows():
    return list(StrayIntent.objects.order_by("intent_id").values_list("intent_id", "attempts", "last_error"))


def seconds_until_due(intent_id):
    return (StrayIntent.objects.get(intent_id=intent_id).due_at - timezone.now()).total_seconds()


def is_due(intent_id):
    return StrayIntent.objects.filter(intent_id=intent_id, due_at__lte=Now()).exists()


@pytest.mark.usefixtures("long_backoff")
@pytest.mark.parametrize("at_a_time", [1, 10])
def test_a_bug_is_told_with_its_traceback_and_does_not_block_the_others(caplog, at_a_time):
    make_strays(3)
    seen: list[str] = []

    assert take_turn(work(doing(ZeroDivisionError("so it is"), seen), at_a_time=at_a_time)) == 3

    assert seen == ["pi_0", "pi_1", "pi_2"]
    broken, *sound = rows()
    assert broken[1] == 1
    assert "Traceback" in broken[2]
    assert "ZeroDivisionError: so it is" in broken[2]
    assert "work.bug" in caplog.text
    assert sound == [("pi_1", 0, ""), ("pi_2", 0, "")]
    assert take_turn(work(doing(ZeroDivisionError(), seen))) == 0, "it waits for its backoff"


def test_what_several_rows_need_is_read_once_and_a_row_alone_reads_for_itself():
    make_strays(5)
    read, done = [], []

    def done_by(name):
        def do(intent_id):
            done.append((name, intent_id))
            StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

        return do

    def together(rows):
        read.append(rows)
        return done_by("together")

    assert take_turn(work(done_by("alone"), together=together, at_a_time=4)) == 5

    assert read == [["pi_0", "pi_1", "pi_2", "pi_3"]]
    assert done == [*(("together", f"pi_{number}") for number in range(4)), ("alone", "pi_4")]


@pytest.mark.parametrize(
    "error", [OperationalError("the database is away"), Fault("another context is away"), ValueError("a bug")]
)
def test_where_reading_for_several_rows_fails_each_reads_for_itself(error):
    make_strays(2)
    done = []

    def fails(rows):
        raise error

    def do(intent_id):
        done.append(intent_id)
        StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

    assert take_turn(work(do, together=fails, at_a_time=2)) == 2

    assert done == ["pi_0", "pi_1"]


def test_rows_that_were_read_for_until_time_was_over_are_given_back():
    make_strays(2)

    def settle(intent_id):
        StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

    def runs_out_of_time(rows):
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        take_turn(work(settle, together=runs_out_of_time, at_a_time=2))

    assert take_turn(work(settle, at_a_time=2)) == 2, "nobody has to wait for a lease"


def test_a_fault_is_tried_again_later_and_later():
    make_strays(1)
    waits = []

    for attempt in range(1, 4):
        StrayIntent.objects.update(due_at=Now())
        take_turn(work(doing(Fault("the provider is away"), [])))
        row = StrayIntent.objects.get()
        assert (row.attempts, row.last_error) == (attempt, "unavailable: the provider is away")
        waits.append((row.due_at - row.found_at).total_seconds())

    assert waits[0] < waits[1] < waits[2]


def test_a_fault_of_what_all_need_ends_the_turn_and_the_rest_is_due_as_before():
    make_strays(3)
    seen: list[str] = []

    assert take_turn(work(doing(Fault(), seen), ends_at_fault=True, at_a_time=3)) == 1

    assert seen == ["pi_0"]
    assert is_due("pi_1")
    assert is_due("pi_2")
    assert not is_due("pi_0")


def test_a_refusal_is_given_to_the_work_or_waits():
    make_strays(1)
    refused = []
    take_turn(work(doing(Refusal(), []), refused=lambda claimed, refusal: refused.append((claimed.row, refusal.code))))
    assert refused == [("pi_0", "refused")]
    assert rows() == [("pi_0", 0, "")]

    StrayIntent.objects.update(due_at=Now())
    take_turn(work(doing(Refusal("no"), [])))

    assert rows() == [("pi_0", 1, "refused: no")]


def test_a_lock_that_was_not_to_be_had_costs_no_attempt_and_no_lease(monkeypatch):
    monkeypatch.setattr(turn, "RETRY_SECONDS", LEASE_SECONDS / 2)
    make_strays(2)
    seen: list[str] = []

    assert take_turn(work(doing(OperationalError("canceling statement due to lock timeout"), seen))) == 2

    assert rows()[0] == ("pi_0", 0, "")
    assert not is_due("pi_0")
    assert seconds_until_due("pi_0") <= turn.RETRY_SECONDS


def test_a_row_whose_database_went_away_is_due_soon_after_it_is_back(monkeypatch):
    make_strays(1)
    later = []
    monkeypatch.setattr(background, "run_later", lambda errand, *, after_seconds: later.append((errand, after_seconds)))
    retry = DueRows.retry

    def away(*_arguments, **_more):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(DueRows, "retry", away)
    take_turn(work(doing(OperationalError("the server closed the connection"), [])))
    [(errand, after_seconds)] = later
    errand.run()
    assert len(later) == 2, "it tries until the database answers"
    assert after_seconds == turn.RETRY_SECONDS
    assert seconds_until_due("pi_0") > LEASE_SECONDS / 2

    monkeypatch.setattr(DueRows, "retry", retry)
    errand.run()

    assert len(later) == 2
    assert seconds_until_due("pi_0") <= turn.RETRY_SECONDS
    assert rows() == [("pi_0", 0, "")]


def test_a_row_that_was_tried_before_is_claimed_alone_where_the_claim_counts():
    make_strays(4)
    StrayIntent.objects.filter(intent_id="pi_1").update(attempts=1)
    seen: list[tuple[str, dict[str, int]]] = []

    def kill(intent_id):
        seen.append((intent_id, dict(StrayIntent.objects.values_list("intent_id", "attempts"))))
        StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

    counting = replace(ROWS, counts_attempts=True, name="counting")
    assert take_turn(replace(work(kill, at_a_time=4), rows=counting)) == 4

    assert [intent_id for intent_id, _attempts in seen] == ["pi_0", "pi_1", "pi_2", "pi_3"]
    _first, second, *_rest = (attempts for _intent_id, attempts in seen)
    assert (second["pi_1"], second["pi_2"], second["pi_3"]) == (2, 0, 0)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_the_soft_time_limit_rises_and_what_was_not_begun_is_due_as_before(at_a_time):
    make_strays(3)
    before = list(StrayIntent.objects.order_by("intent_id").values_list("due_at", flat=True))
    seen: list[str] = []

    with pytest.raises(SoftTimeLimitExceeded):
        take_turn(work(doing(SoftTimeLimitExceeded(), seen), at_a_time=at_a_time))

    after = list(StrayIntent.objects.order_by("intent_id").values_list("due_at", flat=True))
    assert seen == ["pi_0"]
    assert after[1:] == before[1:]
    assert after[0] > before[0], "nobody knows what became of the first: its lease decides"
    assert rows()[0] == ("pi_0", 0, ""), "the row is innocent"


@pytest.mark.parametrize("at_a_time", [1, 2, 10])
def test_a_turn_ends_when_its_time_is_over_and_asks_for_another(woken, clock, at_a_time):
    make_strays(6)
    before = told_out_of_time("payments.settle_strays")

    def slow(intent_id):
        clock.seconds += 1
        StrayIntent.objects.filter(intent_id=intent_id).update(due_at=None)

    assert take_turn(work(slow, at_a_time=at_a_time), seconds=3) == 3

    assert [is_due(f"pi_{number}") for number in range(3, 6)] == [True] * 3
    assert woken == ["payments.settle_strays"]
    assert take_turn(work(slow, at_a_time=at_a_time), seconds=10) == 3
    assert len(woken) == 1, "nothing is left"
    assert told_out_of_time("payments.settle_strays") - before == 1


def test_no_more_rows_are_taken_than_asked_for():
    make_strays(3)
    assert take_turn(work(lambda _intent: None, at_a_time=2), limit=1) == 1
    assert [is_due(f"pi_{number}") for number in range(3)] == [False, True, True]


def test_sets_are_done_until_none_is_left_or_the_time_is_over(woken, clock):
    left, before = [4, 4, 2, 0], told_out_of_time("inventory.x")

    def step():
        clock.seconds += 1
        return left.pop(0)

    assert turn.take_turn_in_sets(sweep="inventory.x", context="inventory", step=step, seconds=2) == 8
    assert woken == ["inventory.x"]
    assert turn.take_turn_in_sets(sweep="inventory.x", context="inventory", step=step, seconds=9) == 2
    assert len(woken) == 1
    assert told_out_of_time("inventory.x") - before == 1
