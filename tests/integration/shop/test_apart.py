"""Questions apart: one at a time, each waited for only so long, and a session that hangs is cut off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections

from shop import transactions
from shop.resilience.apart import Apart, Unanswered

PATIENCE = 60


def ask(sql: str) -> Any:
    with connections[transactions.alias_for("shop")].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_a_question_behind_one_that_is_not_answered_is_given_up_and_asked_once_that_has_ended():
    apart, goes_on = Apart("probe"), threading.Event()
    with pytest.raises(Unanswered, match=r"no answer within 0\.01 s"):
        apart.ask(lambda: goes_on.wait(PATIENCE), within=0.01)

    with pytest.raises(Unanswered, match="probe still waits for another answer"):
        apart.ask(lambda: 1, within=0.01)

    goes_on.set()
    assert apart.ask(lambda: 2, within=PATIENCE) == 2


def test_what_a_question_raises_rises_also_where_it_is_a_timeout():
    def fail() -> None:
        raise TimeoutError("of the question's own")

    with pytest.raises(TimeoutError, match="of the question's own"):
        Apart("probe").ask(fail, within=PATIENCE)


@pytest.fixture
def no_sleeper_left(database: None) -> Iterator[None]:
    """End the session that is cut off here: its server has not noticed yet."""
    yield
    ended = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'"
    with connections[transactions.alias_for("shop")].cursor() as cursor:
        cursor.execute(f"{ended} AND pid <> pg_backend_pid()")


@pytest.mark.usefixtures("no_sleeper_left")
def test_a_server_that_hangs_is_cut_off_and_holds_up_no_further_question():
    apart, failed = Apart("probe"), threading.Event()

    def hang() -> None:
        try:
            ask("SELECT pg_sleep(600)")
        except OperationalError:
            failed.set()
            raise

    with pytest.raises(Unanswered):
        apart.ask(hang, within=1)

    assert failed.wait(PATIENCE)
    assert apart.ask(lambda: ask("SELECT 1"), within=PATIENCE) == 1
