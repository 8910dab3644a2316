"""A refund that comes back from the bank after everything had ended: who is called, what the customer reads, the way back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from orders import services
from orders.models import Order, Outbox
from orders.rules import CancelReason, id_of_full_refund
from orders.sagas.entry import cancel_order, resume
from payments import tasks
from payments.models import Payment
from shop import transactions
from shop.money import Money
from shop.observability.metrics import gauges
from tests.driver.factories import UserFactory
from tests.driver.orders import payment, placed, sent_back, status_of
from tests.driver.provider import Provider, refunds_refused
from tests.driver.shop import violations
from tests.driver.shopper import Shopper
from tests.integration.orders.refunding import confirmed, refund

RETURNED = "pm_card_pendingRefund"


@pytest.fixture
def ended(mug: str, sandbox: Provider, drain: Callable[[], None]) -> uuid.UUID:
    """Return an order that was REFUNDED, on a card whose bank takes its time."""
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "REFUNDED"
    drain()
    return order_id


@pytest.fixture
def refunded(ended: uuid.UUID, sandbox: Provider, drain: Callable[[], None]) -> uuid.UUID:
    """Return an order whose bank sent the money back days after it was REFUNDED."""
    sent_back(sandbox, ended)
    drain()
    return ended


def owed() -> float:
    """Return what the alert looks at."""
    (gauge,) = [each for each in gauges() if each.name == "shop_payments_owed"]
    return gauge.read()[()]


def explained(order_id: uuid.UUID) -> str:
    out = StringIO()
    call_command("explain_order", str(order_id), stdout=out)
    return out.getvalue()


def at_the_desk() -> Client:
    """Return the browser of a member of staff who may refund payments."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_payment", "refund_payment_in_full"]))
    client = Client()
    client.force_login(user)
    return client


def pay_otherwise(order_id: uuid.UUID) -> Any:
    url = reverse("admin:payments_payment_settle_one", args=[order_id])
    return at_the_desk().post(url, {"_form_submitted": "True"}, follow=True)


def test_a_refund_returned_after_the_end_calls_staff_and_is_told_to_the_customer(
    ended: uuid.UUID, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    mail.outbox.clear()
    sent_back(sandbox, ended)
    drain()

    told = explained(ended)

    assert owed() == 1
    assert "waits for staff:" in told
    assert "12.50 EUR of a refund that did not arrive is owed" in told
    assert "nothing is left to do" not in told
    assert [sent.subject for sent in mail.outbox] == [
        f"Your order {Order.objects.get().number}: your bank sent our refund back"
    ]
    assert "€12.50" in mail.outbox[0].body
    assert staff.order(ended)["payment"]["owed"]["amount_minor"] == 1250
    other = confirmed()
    listed = at_the_desk().get(reverse("admin:payments_payment_changelist"), {"owed": "yes"}).context["cl"]
    assert [row.pk for row in listed.result_list] == [ended] != [other]
    refund(staff, ended, 1250)


def test_what_is_owed_is_refunded_over_the_api_in_parts_and_no_further(
    refunded: uuid.UUID, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    first = refund(staff, refunded, 400)
    assert (first.status_code, first.json()["payment"]["owed"]["amount_minor"], owed()) == (201, 850, 1)
    assert refund(staff, refunded, 851).json()["code"] == "refund_exceeds_capture"

    second = refund(staff, refunded, 850)
    over = refund(staff, refunded, 1)

    assert (second.status_code, second.json()["payment"]["owed"]["amount_minor"], owed()) == (201, 0, 0)
    assert (over.status_code, over.json()["code"]) == (409, "order_not_refundable")
    drain()
    assert sandbox.money(refunded) == (1, 0)
    told = Outbox.objects.filter(aggregate_id=refunded, type="order.refund_issued")
    assert sorted(row.payload["amount"]["minor"] for row in told) == [400, 850]
    assert status_of(refunded) == "REFUNDED"


def test_what_is_owed_can_be_paid_by_another_way_and_is_not_refunded_then(refunded: uuid.UUID, staff: Shopper):
    page = pay_otherwise(refunded)
    again = pay_otherwise(refunded)

    assert "paid what was owed another way" in page.content.decode()
    assert "Nothing is owed to the customer" in again.content.decode()
    assert owed() == 0
    assert refund(staff, refunded, 1).status_code == 409
    assert violations() == [], "what was paid otherwise is kept, and no violation"
    told = explained(refunded)
    assert "staff paid what was owed another way" in told
    assert "waits for staff:" not in told


def test_a_part_that_comes_back_is_owed_while_the_order_goes_on(
    mug: str, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = placed(payment_method=RETURNED)
    resume(order_id=order_id)
    refund(staff, order_id, 400)
    drain()
    mail.outbox.clear()

    sent_back(sandbox, order_id)
    drain()

    assert staff.order(order_id)["payment"]["owed"]["amount_minor"] == 400
    assert [sent.subject.partition(": ")[2] for sent in mail.outbox] == ["your bank sent our refund back"]
    refund(staff, order_id, 400)
    assert (owed(), payment(order_id)) == (0, "PARTIALLY_REFUNDED")


def test_a_refund_that_nobody_waits_for_any_more_and_that_is_refused_is_owed(
    mug: str, staff: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = confirmed()
    sandbox.fail("lost_request", "/v1/refunds")
    assert refund(staff, order_id, 400).status_code == 503

    with refunds_refused():
        settle()

    assert staff.order(order_id)["payment"]["owed"]["amount_minor"] == 400
    assert refund(staff, order_id, 400).json()["payment"]["owed"]["amount_minor"] == 0


def test_a_refund_that_is_refused_to_whoever_asks_is_not_owed(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()

    with refunds_refused():
        assert refund(staff, order_id, 400).json()["code"] == "refund_refused"

    assert staff.order(order_id)["payment"]["owed"]["amount_minor"] == 0


def test_what_an_earlier_release_left_owed_is_found(refunded: uuid.UUID, staff: Shopper):
    Payment.objects.update(owed_minor=0)

    tasks.reconcile_recent()

    assert owed() == 1
    refund(staff, refunded, 1250)


def test_the_audit_names_what_is_kept_and_in_no_list_not_what_staff_are_called_for(refunded: uuid.UUID, staff: Shopper):
    assert violations() == []

    Payment.objects.update(owed_minor=250)
    (found,) = violations()
    assert f"I6 order {refunded}: it is REFUNDED while 12.50 EUR are kept, 2.50 EUR of them listed" in found
    Payment.objects.update(owed_minor=0)
    (found,) = violations()
    assert f"I6 order {refunded}: it is REFUNDED while 12.50 EUR are kept, 0.00 EUR of them listed" in found

    tasks.reconcile_recent()
    assert violations() == []
    refund(staff, refunded, 1250)

    assert violations() == []


@pytest.mark.makes_facts_up
@pytest.mark.parametrize(
    ("status", "full", "told"), [("CANCELING", True, 0), ("REFUNDING", True, 0), ("REFUNDING", False, 1)]
)
def test_a_refund_that_comes_back_while_its_order_still_returns_the_money_is_not_told(
    order_in: Callable[[str], uuid.UUID], status: str, full: bool, told: int
):
    order_id = order_in(status)
    refund_id = id_of_full_refund(order_id, 0) if full else uuid.uuid4()

    with transactions.transaction("orders"):
        services.announce_returned_refund(order_id=order_id, refund_id=refund_id, amount=Money(100, "EUR"))

    assert Outbox.objects.filter(type="order.refund_returned").count() == told
