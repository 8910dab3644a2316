"""What a process has claimed for itself and gives back is neither lost nor sent twice, wherever it dies.

One mail may be: the one that the mail server had taken and no row said so. `make prove-full` kills before and after everything
durable, `make prove` after one in four points, and the suite after each change of such rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from notifications import gateways
from notifications.models import Email
from notifications.services import sending
from shop.work.rows import Claimed, DueRows
from tests.driver.provider import Provider
from tests.driver.tables import execute
from tests.proof.choosing import Choose, after_each, beginning_with, drawn_from, every_one
from tests.proof.crashes.children import Lived
from tests.proof.crashes.enumeration import enumerate_crashes, recover_and_judge
from tests.proof.crashes.journeys.given_back import JOURNEYS, GivenBack, TriedBefore
from tests.proof.report import Record, sized


def after_rows_change(points: Sequence[str]) -> Sequence[int]:
    """Choose what lies after each claim, giving back and postponing: statements of their own, without a transaction."""
    return [number for number, point in enumerate(points) if point.startswith(ROWS)]


ROWS = ("after UPDATE notifications_email ", "after UPDATE shipping_shipment ")
POINTS: Choose = sized(slice=after_rows_change, short=after_each, full=every_one)
ONE_IN = sized(slice=1, short=4, full=1)


@pytest.fixture(autouse=True)
def mail_server(settings: Any, tmp_path: Path) -> None:
    """Keep each mail that is sent in a file: it outlives the process that sent it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", JOURNEYS, ids=lambda kind: kind.name)
def test_a_process_killed_while_it_gives_back_what_it_took_loses_nothing(
    kind: type[GivenBack], provider: Provider, drain: Callable[[], None], settings: Any, proof: Record
):
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
    choose = drawn_from(POINTS, one_in=ONE_IN, of=kind.name)

    found = enumerate_crashes(kind(provider, drain), choose=choose, judge=judge)

    proof(
        f"process killed: {kind.name}", histories=len(found.died_at), of=len(found.points), violations=found.violations
    )
    assert found.violations == []
    assert found.died_at == [found.points[number] for number in choose(found.points)]
    assert len(found.points) >= kind.floor


def judge(journey: GivenBack, lived: Lived) -> Iterator[str]:
    journey.note_what_was_taken()
    yield from recover_and_judge(journey, lived)


def given_back_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(rows: DueRows[Any], *claimed: Claimed[Any]) -> None:
        table, failed = rows.model._meta.db_table, -1 if rows.counts_attempts else 0
        for one in claimed:
            execute(rows.context, f"UPDATE {table} SET due_at = NULL WHERE id = %s", one.pk)
        for one in claimed:
            again = f"UPDATE {table} SET due_at = %s, attempts = attempts + %s WHERE id = %s"
            execute(rows.context, again, one.due_at, failed, one.pk)

    monkeypatch.setattr(DueRows, "give_back", torn)


def recorded_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    record, send = sending._record_sent, gateways.send

    def hasty(message: gateways.Message) -> None:
        record(Email.objects.get(pk=message.email_id))
        send(message)

    monkeypatch.setattr(gateways, "send", hasty)
    monkeypatch.setattr(sending, "_record_sent", lambda _email: None)


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (given_back_in_two_steps, "after UPDATE notifications_email #2"),
        (recorded_before_it_is_sent, "before mail server send #1"),
    ],
)
def test_a_bug_planted_where_rows_are_given_back_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    where: str,
    provider: Provider,
    drain: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
):
    plant(monkeypatch)

    found = enumerate_crashes(TriedBefore(provider, drain), choose=beginning_with(where), judge=judge)

    assert len(found.died_at) == 1
    assert found.violations, f"{plant.__name__} was not found"
    assert not [violation for violation in found.violations if violation.startswith("undisturbed")]
