"""The audit of rows against their facts: what it tolerates, what it leaves out, and that it looks twice."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now

from notifications.models import Email, EmailKind
from notifications.services import emails
from orders.models import Inbox
from payments import api as payments
from payments.models import Outbox, Payment, Refund, Watermark
from shop import transactions
from shop.audit import checks, statuses
from shop.events.past import Kept
from shop.ids import new_id
from tests.driver.facts import lose_facts

LONG_AGO = timedelta(days=31)
JUDGED_HERE = "each move of each .* has its event|each .* moved along its table only|every event heard is applied .*"


def found(context: str) -> list[tuple[str, str]]:
    return [
        (violation.promise, f"{violation.subject}: {violation.detail}")
        for check in checks()
        if check.context == context and re.fullmatch(JUDGED_HERE, check.title)
        for violation in check.run()
    ]


def queue_emails(count: int) -> list[Email]:
    for _email in range(count):
        with transactions.transaction("notifications"):
            emails.queue_email(kind=EmailKind.ORDER_CONFIRMED, order_id=new_id())
    return list(Email.objects.order_by("id"))


@pytest.fixture
def voided(database: None) -> UUID:
    """A payment that was voided before anybody paid: born in its last status."""
    return payments.void_payment(order_id=new_id(), reason="customer_request").order_id


def test_every_page_is_looked_at(database, monkeypatch):
    monkeypatch.setattr(statuses, "PAGE", 2)
    rows = queue_emails(5)
    assert found("notifications") == []

    lose_facts("notifications", "aggregate_id IN (%s, %s)", rows[0].pk, rows[4].pk)

    assert found("notifications") == [
        ("I8", f"email {row.pk}: it is at version 1, its facts are: none") for row in (rows[0], rows[4])
    ]


def test_what_is_right_when_read_again_is_not_reported(database):
    first, second = queue_emails(2)
    Email.objects.update(status="SENT")
    [check] = [each for each in checks() if each.title == "each email moved along its table only"]
    reports = iter(check.run())

    assert next(reports).subject == f"email {first.pk}"
    Email.objects.filter(pk=second.pk).update(status="PENDING")

    assert list(reports) == []


def test_fact_that_tells_of_no_move_is_tolerated(voided):
    fact = Outbox.objects.get()
    fact.pk, fact.event_id, fact.type = None, new_id(), "payment.admired"
    fact.save(force_insert=True)

    assert found("payments") == []


def test_two_facts_for_one_version_are_found(voided):
    fact = Outbox.objects.get()
    fact.pk, fact.event_id = None, new_id()
    fact.save(force_insert=True)

    [(promise, what)] = found("payments")
    assert promise == "I8"
    assert what.endswith("at version 1, its facts are: 1 payment.voided, 1 payment.voided")


def test_status_of_a_payment_that_no_fact_tells_of_is_found(voided):
    Payment.objects.update(status="DECLINED")

    assert found("payments") == [("I9", f"payment {voided}: its facts end in VOIDED, but it is DECLINED")]


def test_payment_that_began_where_none_begins_is_found(voided):
    Outbox.objects.update(type="payment.captured")

    assert found("payments") == [("I9", f"payment {voided}: it began as CAPTURED")]


@pytest.mark.parametrize(("full", "problems"), [(True, 1), (False, 0)])
def test_a_fact_may_say_itself_which_status_it_leaves(full, problems, voided):
    Payment.objects.update(status="PARTIALLY_REFUNDED", version=5)
    told = Outbox.objects.get()
    for version, kind in enumerate(("opened", "submitted", "authorized", "captured", "refunded"), start=1):
        told.pk, told.event_id, told.type, told.aggregate_version = None, new_id(), f"payment.{kind}", version
        told.payload = {"full": full}
        told.save(force_insert=True)
    lose_facts("payments", "type = 'payment.voided'")

    assert [promise for promise, _what in found("payments")] == ["I9"] * problems


def test_refund_without_its_fact_is_found(voided):
    refund = Refund.objects.create(refund_id=new_id(), payment_id=voided, amount_minor=1)

    assert found("payments") == [("I8", f"refund {refund.pk}: it is at version 1, its facts are: none")]


def test_row_that_is_older_than_the_watermark_is_asked_for_what_followed_its_first_fact_since(voided):
    Payment.objects.update(created_at=Now() - LONG_AGO, version=2)
    Outbox.objects.update(aggregate_version=2)
    lacks = [("I8", f"payment {voided}: it is at version 2, its facts are: 2 payment.voided")]
    assert found("payments") == lacks, "no age excuses it"
    Watermark.objects.create(kept=Kept.HISTORY, since=Now() - LONG_AGO / 2)
    assert found("payments") == []

    Payment.objects.update(version=3)
    assert found("payments") == [("I8", f"payment {voided}: it is at version 3, its facts are: 2 payment.voided")]
    Payment.objects.update(version=2, status="NEW")
    assert found("payments") == [("I9", f"payment {voided}: its facts end in VOIDED, but it is NEW")]


def test_row_that_changed_since_the_watermark_must_have_a_fact_of_it(voided):
    Payment.objects.update(created_at=Now() - LONG_AGO)
    Watermark.objects.create(kept=Kept.BEGAN, since=Now() - LONG_AGO / 2)
    lose_facts("payments")
    assert found("payments") == [("I8", f"payment {voided}: it is at version 1, its facts are: none")]

    Payment.objects.update(changed_at=Now() - LONG_AGO)
    assert found("payments") == []


def test_steps_between_facts_that_are_there_are_judged_of_an_old_row_too(voided):
    Payment.objects.update(created_at=Now() - LONG_AGO, version=5)
    Watermark.objects.create(kept=Kept.BEGAN, since=Now() - LONG_AGO / 2)
    told = Outbox.objects.get()
    Outbox.objects.update(aggregate_version=5)
    told.pk, told.event_id, told.type, told.aggregate_version = None, new_id(), "payment.captured", 4
    told.save(force_insert=True)
    Outbox.objects.filter(aggregate_version=4).update(id=0)

    assert found("payments") == [("I9", f"payment {voided}: it took a step that does not exist: CAPTURED > VOIDED")]
    Outbox.objects.filter(aggregate_version=4).update(occurred_at=Now() - LONG_AGO)
    assert found("payments") == [], "the step across the watermark may have a gap"


def test_status_that_is_none_is_found_however_old(database):
    [email] = queue_emails(1)

    Email.objects.update(queued_at=Now() - LONG_AGO, status="LOST")

    assert found("notifications") == [("I9", f"email {email.pk}: there is no status LOST at version 1")]


@pytest.mark.parametrize(("status", "problems"), [("RETRYING", 1), ("DEAD", 0), ("PROCESSED", 0), ("DISCARDED", 0)])
def test_delivery_to_orders_that_nobody_retries_is_found(status, problems, database):
    Inbox.objects.create(
        subscriber="orders.s", event_id=new_id(), event_type="t", status=status, due_at=Now() - timedelta(hours=1)
    )

    assert [promise for promise, _what in found("orders")] == ["I8"] * problems
