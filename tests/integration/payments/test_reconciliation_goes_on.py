"""What cannot be looked at, or is not ours, keeps nothing else from being reconciled."""

from __future__ import annotations

import pytest

from payments import api as payments
from payments import tasks
from payments.models import Payment, Refund, StrayIntent
from shop.clock import now
from shop.ids import new_id
from shop.money import Money
from tests.integration.payments.test_reconciliation import reconcile


def foreign_charge(sandbox, **metadata):
    """Charge as another application on the account does, in an amount that we could not even express."""
    return sandbox.stripe.v1.payment_intents.create(
        {
            "amount": 77701,
            "currency": "ugx",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": metadata,
        }
    )


def test_charge_and_refund_of_another_application_are_not_even_read(sandbox, captured, order_id):
    theirs = foreign_charge(sandbox)
    sandbox.stripe.v1.refunds.create({"payment_intent": theirs.id, "amount": 1})
    sandbox.stripe.v1.refunds.create({"payment_intent": captured.intent_id, "amount": 100})

    report = reconcile()

    assert (report.intents, report.refunds, report.unresolved) == (1, 1, ())
    assert payments.get_payment(order_id=order_id).refunded == Money(100, "EUR")


def spoil(order_id):
    """Leave a refund of which the provider's book and ours say two amounts: a bug that no code expects."""
    Refund.objects.filter(payment_id=order_id).update(amount_minor=999)


def half_made_refund(sandbox, order_id, minor=1000):
    sandbox.fail("lost_answer", "/v1/refunds")
    with pytest.raises(payments.PaymentUnknown):
        payments.refund_payment(order_id=order_id, refund_id=new_id(), amount=Money(minor, "EUR"), reason="x")


def test_intent_that_cannot_be_looked_at_stops_no_other(sandbox, authorize):
    first, second = new_id(), new_id()
    for one in (first, second):
        authorize(order=one)
        sandbox.stripe.v1.payment_intents.capture(sandbox.intent(one).id)
        payments.refresh_payment(order_id=one)
        half_made_refund(sandbox, one)
    # The list is read from its newest on.
    spoil(second)

    report = reconcile()

    assert {one.order_id for one in report.unresolved} == {str(second)}
    assert payments.get_payment(order_id=first).refunded.minor == 1000
    assert payments.get_payment(order_id=second).refunded.minor == 0


def test_row_that_meets_a_bug_keeps_no_other_from_its_turn(sandbox, authorize, all_due):
    orders = [new_id(), new_id(), new_id()]
    for one in orders:
        authorize(order=one)
        payments.capture_payment(order_id=one)
        half_made_refund(sandbox, one)
    spoil(orders[1])
    all_due()

    assert tasks.resume_refunds() == 3

    spoiled = Refund.objects.get(payment_id=orders[1])
    assert (spoiled.status, spoiled.attempts > 1, "999 here" in spoiled.last_error) == ("REQUESTED", True, True)
    assert spoiled.due_at > now()


def test_payment_that_meets_a_bug_keeps_no_other_from_its_turn(sandbox, authorize, all_due):
    orders = [new_id(), new_id(), new_id()]
    for one in orders:
        sandbox.fail("lost_answer", "*/confirm")
        with pytest.raises(payments.PaymentUnknown):
            authorize(order=one)
    Payment.objects.filter(pk=orders[1]).update(currency="?!")
    all_due()

    assert tasks.resolve_unknown_payments() == 3

    assert Payment.objects.get(pk=orders[1]).attempts > 1
    assert "ISO 4217" in Payment.objects.get(pk=orders[1]).last_error


def test_stray_that_meets_a_bug_keeps_no_other_from_its_turn(sandbox):
    for number in range(3):
        order_id = new_id()
        intent = foreign_charge(sandbox, installation="shop", order_id=str(order_id)) if number == 1 else None
        if intent is None:
            intent = sandbox.stripe.v1.payment_intents.create(
                {"amount": 700, "currency": "eur", "metadata": {"installation": "shop", "order_id": str(order_id)}}
            )
        StrayIntent.objects.create(
            order_id=order_id,
            intent_id=intent.id,
            reason="UNKNOWN_ORDER",
            amount_minor=700,
            currency="EUR",
            due_at=now(),
        )

    assert tasks.settle_strays() == 3

    assert StrayIntent.objects.get(settled_at=None).attempts == 1
