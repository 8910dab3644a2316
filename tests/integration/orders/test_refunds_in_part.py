"""Money of an order that is returned in parts: up to the capture, once per key, and beside a cancel."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from orders.models import Outbox
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, refund_order
from payments.models import Refund
from shop.models import IdempotencyKey
from shop.money import Money
from tests.driver.factories import UserFactory
from tests.driver.orders import levels, payment, status_of
from tests.driver.provider import Provider, in_threads
from tests.driver.shopper import Shopper
from tests.integration.orders.refunding import confirmed, refund


def test_parts_are_refunded_up_to_the_capture_and_no_further(
    mug: str, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = confirmed()
    assert refund(staff, order_id, 1000).json()["payment"]["refunded"]["amount_minor"] == 1000

    refused = refund(staff, order_id, 251)

    assert (refused.status_code, refused.json()["code"]) == (409, "refund_exceeds_capture")
    assert refund(staff, order_id, 250).status_code == 201
    assert sandbox.money(order_id) == (1, 0)
    drain()
    assert (status_of(order_id), payment(order_id)) == ("DELIVERED", "REFUNDED")
    told = Outbox.objects.filter(aggregate_id=order_id, type="order.refund_issued").order_by("id")
    assert [row.payload["amount"]["minor"] for row in told] == [1000, 250]


def test_a_part_is_refunded_once_per_key(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()
    key = str(uuid.uuid4())

    first, again = refund(staff, order_id, 400, key=key), refund(staff, order_id, 400, key=key)
    other = refund(staff, order_id, 401, key=key)

    assert (first.status_code, again.content) == (201, first.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert sandbox.money(order_id) == (1, 850)


def test_two_staff_with_the_same_key_make_two_refunds(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()
    colleague = Shopper(UserFactory(is_staff=True, permissions=("orders.view_order", "orders.refund_order")))

    first, second = refund(staff, order_id, 400, key="scratch-1"), refund(colleague, order_id, 400, key="scratch-1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert [each.json()["payment"]["refunded"]["amount_minor"] for each in (first, second)] == [400, 800]
    assert sandbox.money(order_id) == (1, 450)


def test_a_part_that_an_earlier_release_recorded_under_the_key_alone_is_not_refunded_twice(
    mug: str, staff: Shopper, sandbox: Provider
):
    order_id = confirmed()
    refund_order(order_id=order_id, operation="scratch-1", amount=Money(400, "EUR"), reason="a scratch")

    answer = refund(staff, order_id, 400, key="scratch-1")

    assert answer.status_code == 201
    assert sandbox.money(order_id) == (1, 850)


def test_a_part_is_answered_as_refunded_also_after_a_cancel_where_its_first_answer_was_not_kept(
    mug: str, staff: Shopper, sandbox: Provider
):
    order_id = confirmed()
    body = {"amount": {"amount_minor": 400, "currency": "EUR"}, "reason": "a chip"}
    assert staff.post(f"orders/{order_id}/refunds", body, key="refund-1").status_code == 201
    IdempotencyKey.objects.all().delete()
    assert cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST).status == "REFUNDED"

    again = staff.post(f"orders/{order_id}/refunds", body, key="refund-1")
    another = staff.post(f"orders/{order_id}/refunds", body, key="refund-2")

    assert (again.status_code, another.status_code) == (201, 409)
    assert sandbox.money(order_id) == (1, 0)


def test_a_part_whose_answer_is_lost_is_refunded_once(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()
    sandbox.fail("lost_answer", "/v1/refunds")
    key = str(uuid.uuid4())

    lost = refund(staff, order_id, 400, key=key)
    again = refund(staff, order_id, 400, key=key)

    assert (lost.status_code, again.status_code) == (503, 201)
    assert sandbox.money(order_id) == (1, 850)


def test_a_refund_names_the_order_as_it_stands_and_is_kept_by_no_cache(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()

    answer = refund(staff, order_id, 400)

    read = staff.get(f"orders/{order_id}")
    assert answer["Location"].endswith(f"/api/v1/orders/{order_id}")
    assert (answer["ETag"], answer["Cache-Control"]) == (read["ETag"], "no-store")


def test_a_refund_in_another_currency_is_refused_as_such(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()

    refused = refund(staff, order_id, 5, currency="USD").json()

    assert (refused["status"], refused["code"]) == (409, "refund_currency_differs")
    assert refused["detail"] == "0.05 USD cannot be refunded of a payment in EUR"
    assert (refused["facts"]["wanted"]["currency"], refused["facts"]["currency"]) == ("USD", "EUR")
    assert sandbox.money(order_id) == (1, 1250)


@pytest.mark.usefixtures("mug")
@pytest.mark.parametrize(("minor", "currency", "status"), [(0, "EUR", 400), (-1, "EUR", 400), (100, "USD", 409)])
def test_an_amount_that_makes_no_sense_is_refused(
    minor: int, currency: str, status: int, staff: Shopper, sandbox: Provider
):
    order_id = confirmed()

    assert refund(staff, order_id, minor, currency=currency).status_code == status
    assert sandbox.money(order_id) == (1, 1250)


def test_a_reason_longer_than_the_books_hold_is_refused_as_such(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()
    body = {"amount": {"amount_minor": 100, "currency": "EUR"}}

    too_long = staff.post(f"orders/{order_id}/refunds", body | {"reason": "x" * 81})
    longest = staff.post(f"orders/{order_id}/refunds", body | {"reason": "x" * 80})

    assert (too_long.status_code, longest.status_code) == (400, 201)
    assert sandbox.money(order_id) == (1, 1150)


def test_a_cancel_after_a_part_refunds_the_rest_and_tells_of_both(
    mug: str, staff: Shopper, sandbox: Provider, drain: Callable[[], None]
):
    order_id = confirmed()
    refund(staff, order_id, 400)

    state = cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
    drain()

    assert (state.status, sandbox.money(order_id)) == ("REFUNDED", (1, 0))
    told = Outbox.objects.filter(aggregate_id=order_id, type__contains="refund").order_by("id")
    assert sorted(told.values_list("type", flat=True)) == ["order.refund_issued", "order.refunded", "order.refunding"]


def test_a_cancel_after_everything_was_refunded_in_parts_needs_no_more_money(
    mug: str, staff: Shopper, sandbox: Provider
):
    order_id = confirmed()
    refund(staff, order_id, 1250)

    state = cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    assert (state.status, sandbox.money(order_id), levels()) == ("REFUNDED", (1, 0), (10, 0, 0))


def test_a_cancel_waits_for_the_part_that_is_still_on_its_way(
    mug: str, staff: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = confirmed()
    sandbox.fail("lost_request", "/v1/refunds")
    assert refund(staff, order_id, 400).status_code == 503

    state = cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)

    assert (state.status, sandbox.money(order_id)) == ("REFUNDING", (1, 400))
    settle()
    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))


def test_a_cancel_returns_what_a_part_that_failed_meanwhile_has_left(
    mug: str, staff: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    order_id = confirmed()
    sandbox.fail("lost_request", "/v1/refunds")
    assert refund(staff, order_id, 400).status_code == 503
    state = cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
    assert (state.status, sandbox.money(order_id)) == ("REFUNDING", (1, 400))

    _fail_at_the_bank(order_id, 400)
    settle()

    assert (status_of(order_id), sandbox.money(order_id)) == ("REFUNDED", (1, 0))
    told = Outbox.objects.filter(aggregate_id=order_id, type__contains="refund").order_by("id")
    assert sorted(told.values_list("type", flat=True)) == ["order.refunded", "order.refunding"]


def _fail_at_the_bank(order_id: uuid.UUID, minor: int) -> None:
    """Have the bank refuse the refund of this amount that waits for its answer."""
    from payments.services.record_refund import fail_refund

    fail_refund(
        Refund.objects.get(payment_id=order_id, amount_minor=minor, status="REQUESTED"), "expired_or_canceled_card"
    )


def test_parts_asked_for_at_once_never_exceed_the_capture(mug: str, staff: Shopper, sandbox: Provider):
    order_id = confirmed()

    answers = in_threads(*[lambda: refund(staff, order_id, 500).status_code for _each in range(4)])

    assert sorted(answers) == [201, 201, 409, 409]
    assert sandbox.money(order_id) == (1, 250)
