"""What a dispute does to a parcel, and how the story of the money is told."""

from __future__ import annotations

import json
import logging
import uuid

from django.core import mail

from orders.models import Order
from payments import api as payments
from shop.money import Money
from tests.driver.logs import captured
from tests.driver.orders import dispatch, levels, status_of
from tests.driver.shop import violations
from tests.driver.shopper import Shopper
from tests.integration.orders.disputes.bank import Bank, confirmed, parcel
from tests.integration.orders.refunding import refund
from tests.integration.orders.test_returned_refunds import explained


def test_form_of_a_refund_offers_nothing_during_a_chargeback(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    assert str(payments.get_refundable(order_id=order_id)) == "12.50 EUR"

    dispute_id = bank.dispute(order_id)
    assert str(payments.get_refundable(order_id=order_id)) == "0.00 EUR"

    bank.decide(dispute_id, "win")
    assert str(payments.get_refundable(order_id=order_id)) == "12.50 EUR"
    assert payments.get_refundable(order_id=uuid.uuid4()) is None


def test_deliveries_write_a_line_where_they_hold_a_parcel_and_else_none(shopper: Shopper, bank: Bank) -> None:
    """As docs/runbooks/README.md promises to those who search the log."""
    with captured(level=logging.INFO) as printed:
        order_id = confirmed(shopper)
        bank.tell()
        dispatch(order_id)
        bank.tell()
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    assert not [line for line in lines if line["event"] in ("event.handled", "events.handled")]
    assert {"order.resumed", "email.sent", "shipment.dispatched"} <= {line["event"] for line in lines}

    with captured(level=logging.INFO) as printed:
        other = confirmed(shopper)
        bank.dispute(other)
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    handled = [line for line in lines if line["event"] in ("event.handled", "events.handled")]
    assert [fact["fact"] for line in handled for fact in line["facts"]] == ["shipment.held"]
    assert handled[0]["order_id"] == str(other)


def in_whole(staff: Shopper, order_id: uuid.UUID) -> None:
    total = Order.objects.get(pk=order_id).total
    assert refund(staff, order_id, total.minor).status_code == 201


def test_a_parcel_that_was_booked_does_not_leave_while_its_payment_is_disputed(shopper: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    bank.drain()
    assert parcel(order_id) == "BOOKED"

    dispute_id = bank.dispute(order_id)
    bank.drain()
    assert parcel(order_id) == "PENDING"
    assert "the booking was taken back at sandbox, since the parcel is held" in explained(order_id)

    bank.decide(dispute_id, "win")
    bank.drain()
    assert parcel(order_id) == "BOOKED"
    assert violations() == []


def test_an_inquiry_that_was_refunded_in_full_leaves_the_parcel_to_staff(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    bank.drain()
    bank.dispute(order_id, inquiry=True)

    in_whole(staff, order_id)
    bank.tell()
    bank.drain()

    assert parcel(order_id) == "PENDING"
    told = explained(order_id)
    assert "all of its money went back" in told
    assert "a part of its money went back" not in told
    assert "staff decide: its money went back in full; cancel the order, or release its parcel" in told
    assert staff.cancel(order_id).status_code in (200, 202)
    bank.drain()
    assert (status_of(order_id), parcel(order_id), levels()) == ("REFUNDED", "CANCELED", (10, 0, 0))
    assert violations() == []


def test_the_story_tells_a_part_the_rest_and_all_of_the_money_apart(
    shopper: Shopper, staff: Shopper, bank: Bank
) -> None:
    order_id = confirmed(shopper)
    total = Order.objects.get(pk=order_id).total

    assert refund(staff, order_id, 100).status_code == 201
    bank.drain()
    assert "a part of its money went back" in explained(order_id)
    assert refund(staff, order_id, total.minor - 100).status_code == 201
    bank.drain()

    assert "the rest of its money went back, so all of it has" in explained(order_id)


def test_what_the_bank_returned_beside_our_refund_is_told_as_such(shopper: Shopper, staff: Shopper, bank: Bank) -> None:
    order_id = confirmed(shopper)
    total = Order.objects.get(pk=order_id).total
    bank.decide(bank.dispute(order_id, amount=total.minor - 100), "lose")
    bank.drain()
    assert staff.cancel(order_id).status_code in (200, 202)
    bank.drain()

    assert f"had already returned {total - Money(100, 'EUR')} to them, 1.00 EUR was refunded" in explained(order_id)
    body = mail.outbox[-1].body
    assert "we have refunded \u20ac1.00" in body
    assert f"Your bank has already returned {(total - Money(100, 'EUR')).localized()} to you" in body
