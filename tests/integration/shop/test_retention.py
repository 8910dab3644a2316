"""What is past its retention goes in batches along the ids, and what has to stay is passed over."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from shop import retention, tasks
from shop.ids import new_id
from shop.models import IdempotencyKey


@pytest.fixture(autouse=True)
def batches_of_two(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)


def answers(*ages):
    """Write answers that are so many hours old, in this order."""
    for number, hours in enumerate(ages):
        IdempotencyKey.objects.create(
            user_id=new_id(),
            key=str(number),
            method="POST",
            path="/",
            fingerprint="",
            response_status=201,
            response_headers={},
            response_body="",
            created_at=Now() - timedelta(hours=hours),
        )


def pruning(rows):
    return retention.Pruning("shop", rows, age="created_at", kept=timedelta(hours=1))


def keys():
    return [row.key for row in IdempotencyKey.objects.order_by("pk")]


@pytest.mark.parametrize("ages", [(), (5,), (5, 5), (5, 5, 5), (5, 5, 0), (5, 0, 0), (0, 0, 0), (5, 5, 5, 5, 0, 0, 0)])
def test_old_rows_go_and_young_ones_stay(database, ages):
    answers(*ages)

    gone = retention.delete_for_a_while(pruning(IdempotencyKey.objects.all()))

    assert gone == len([age for age in ages if age])
    assert keys() == [str(number) for number, age in enumerate(ages) if not age]


def test_rows_that_have_to_stay_in_front_hide_no_old_ones(database):
    answers(5, 5, 5, 5, 5, 0)

    gone = retention.delete_for_a_while(pruning(IdempotencyKey.objects.exclude(key__in=["0", "1", "2"])))

    assert (gone, keys()) == (2, ["0", "1", "2", "5"])


def test_pruning_of_young_rows_looks_at_one_page(database):
    answers(*[0] * 9)
    page = pruning(IdempotencyKey.objects.all())

    assert retention.delete_batch(page) == 0
    assert page.finished


@pytest.mark.parametrize("expired", [0, 1, 2, 5])
def test_sessions_that_have_expired_go(database, expired):
    for number in range(expired):
        Session.objects.create(session_key=f"old{number}", expire_date=Now() - timedelta(days=1 + number))
    Session.objects.create(session_key="young", expire_date=Now() + timedelta(days=1))

    assert tasks.prune_sessions() == expired
    assert Session.objects.get().session_key == "young"


def test_rows_that_are_kept_too_long_go_in_transactions_of_one_batch(database):
    answers(*[5] * 5)
    page = pruning(IdempotencyKey.objects.all())

    assert [retention.delete_batch(page) for _batch in range(3)] == [2, 2, 1]


def test_pruning_ends_when_its_time_is_over_and_the_next_goes_on(database, monkeypatch):
    answers(*[5] * 5)
    for number in range(5):
        Session.objects.create(session_key=f"old{number}", expire_date=Now() - timedelta(days=1 + number))
    monkeypatch.setattr(retention, "SECONDS", 0)

    rows = IdempotencyKey.objects.all()
    assert [retention.delete_for_a_while(pruning(rows)) for _sweep in range(3)] == [2, 2, 1]
    assert [tasks.prune_sessions() for _sweep in range(3)] == [2, 2, 1]


def test_without_a_retention_the_log_of_what_staff_did_is_kept(staff, settings):
    LogEntry.objects.log_actions(user_id=staff.user.pk, queryset=[staff.user, staff.user], action_flag=2)
    LogEntry.objects.update(action_time=Now() - timedelta(days=36_500))

    settings.STAFF_LOG_RETENTION_DAYS = 0
    assert tasks.prune_staff_log() == 0
    settings.STAFF_LOG_RETENTION_DAYS = 1
    assert tasks.prune_staff_log() == 2
