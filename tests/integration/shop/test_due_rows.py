"""Rows that are due: a claim is a lease, and whoever claims passes by what another worker has at hand."""

from datetime import timedelta

from django.db import connections
from django.db.models.functions import Now

from payments.models import WebhookEvent
from payments.tasks import WEBHOOKS
from shop import transactions


def due_rows(count):
    rows = [WebhookEvent(event_id=f"evt_{n}", type="t", intent_id="pi_1", due_at=Now()) for n in range(count)]
    WebhookEvent.objects.bulk_create(rows)
    return sorted(WebhookEvent.objects.values_list("pk", flat=True))


def claim(limit=10):
    return sorted(claimed.pk for claimed in WEBHOOKS.rows.claim(limit=limit))


def test_a_claimed_row_is_left_alone_until_its_lease_ends():
    rows = due_rows(3)

    assert claim() == rows
    assert claim() == []

    WebhookEvent.objects.filter(pk=rows[0]).update(due_at=Now() - timedelta(seconds=1))
    assert claim() == rows[:1]


def test_a_row_without_a_moment_is_never_claimed():
    rows = due_rows(2)
    WebhookEvent.objects.filter(pk=rows[0]).update(due_at=None)

    assert claim() == rows[1:]


def test_no_more_is_claimed_than_asked_for_and_the_oldest_first():
    rows = due_rows(3)
    WebhookEvent.objects.filter(pk=rows[2]).update(due_at=Now() - timedelta(minutes=1))

    assert claim(limit=1) == [rows[2]]


def test_a_row_that_another_worker_has_at_hand_is_passed_by():
    rows = due_rows(3)
    alias = transactions.alias_for("payments")
    other = connections[alias].copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM payments_webhookevent WHERE id = %s FOR UPDATE", [rows[0]])
        with connections[alias].cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        assert claim() == rows[1:]
    finally:
        other.close()
        with connections[alias].cursor() as cursor:
            cursor.execute("RESET lock_timeout")


def test_a_row_that_is_given_back_is_due_as_it_was():
    [row] = due_rows(1)
    was = WebhookEvent.objects.get().due_at
    [claimed] = WEBHOOKS.rows.claim(limit=1)

    WEBHOOKS.rows.give_back(claimed)

    assert WebhookEvent.objects.values_list("due_at", "attempts").get(pk=row) == (was, 0)


def test_rows_are_given_back_together_all_but_one_whose_lease_is_lost():
    keys = due_rows(3)
    was = dict(WebhookEvent.objects.values_list("pk", "due_at"))
    claimed = WEBHOOKS.rows.claim(limit=3)
    taken = WebhookEvent.objects.filter(pk=keys[1])
    taken.update(due_at=Now())
    held = taken.get().due_at

    WEBHOOKS.rows.give_back(*claimed)

    assert dict(WebhookEvent.objects.values_list("pk", "due_at")) == was | {keys[1]: held}


def test_whoever_lost_the_lease_neither_gives_back_nor_postpones():
    [row] = due_rows(1)
    [lost] = WEBHOOKS.rows.claim(limit=1)
    WebhookEvent.objects.filter(pk=row).update(due_at=Now())
    WEBHOOKS.rows.claim(limit=1)
    held = WebhookEvent.objects.values_list("due_at", "attempts", "last_error").get(pk=row)

    WEBHOOKS.rows.give_back(lost)
    WEBHOOKS.rows.postpone(lost, error="late")

    assert WebhookEvent.objects.values_list("due_at", "attempts", "last_error").get(pk=row) == held
