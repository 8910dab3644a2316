"""Payments' part of the audit: our rows by themselves, and our rows against the provider's list, to the cent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from payments.events import (
    PaymentActionRequired,
    PaymentAuthorized,
    PaymentBecameUnknown,
    PaymentCaptured,
    PaymentFailed,
    PaymentOpened,
    PaymentRefunded,
    PaymentSubmitted,
    PaymentVoided,
    RefundFailed,
    RefundPending,
    RefundRequested,
    RefundSucceeded,
)
from payments.models import Payment, PaymentStatus, Refund, RefundStatus, StrayIntent
from payments.queries import waiting_too_long
from payments.services.reconcile import count_captures, find_differences
from shop.audit import Check, Violation, register_check
from shop.clock import now
from shop.errors import Fault
from shop.events.history import register_history_checks

# How far back the provider's list is read, and how long an outcome may stay unknown before it counts as left behind.
LOOK_BACK = timedelta(days=7)
RESOLVED_WITHIN = timedelta(hours=1)
_REFUNDED = {True: PaymentStatus.REFUNDED, False: PaymentStatus.PARTIALLY_REFUNDED}
PAID = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)


def register() -> None:
    """Add the checks of payments to the audit."""
    for promise, title, run in (
        ("I4", "one capture, of the order's total; refunds within it", check_amounts),
        ("I4", "at most one capture per order at the provider", check_captures_at_provider),
        ("I10", "no payment and no refund is left without an outcome", check_outcomes),
        ("I11", "the provider's book and ours agree to the cent", check_provider),
    ):
        register_check(Check(promise, "payments", title, run))
    register_history_checks(
        context="payments",
        model=Payment,
        noun="payment",
        status_after={
            PaymentOpened.type: PaymentStatus.NEW,
            PaymentSubmitted.type: PaymentStatus.SUBMITTED,
            PaymentActionRequired.type: PaymentStatus.REQUIRES_ACTION,
            PaymentBecameUnknown.type: PaymentStatus.UNKNOWN,
            PaymentFailed.type: PaymentStatus.DECLINED,
            PaymentAuthorized.type: PaymentStatus.AUTHORIZED,
            PaymentCaptured.type: PaymentStatus.CAPTURED,
            PaymentRefunded.type: lambda fact: _REFUNDED[fact["full"]],
            PaymentVoided.type: PaymentStatus.VOIDED,
        },
        born={PaymentStatus.NEW, PaymentStatus.VOIDED},
        since_field="created_at",
        changed_field="changed_at",
    )
    register_history_checks(
        context="payments",
        model=Refund,
        noun="refund",
        status_after={
            RefundRequested.type: RefundStatus.REQUESTED,
            RefundPending.type: RefundStatus.PENDING,
            RefundSucceeded.type: RefundStatus.SUCCEEDED,
            RefundFailed.type: RefundStatus.FAILED,
        },
        born={RefundStatus.REQUESTED},
        since_field="created_at",
        changed_field="changed_at",
    )


def check_amounts() -> Iterator[Violation]:
    """Yield payments whose amounts contradict each other or their status, and totals that their refunds don't add up to."""
    paid = Q(status__in=PAID)
    wrong = Payment.objects.filter(
        (paid & ~Q(captured_minor=F("amount_minor")))
        | (~paid & ~Q(captured_minor=0))
        | Q(captured_minor__lt=F("refunded_minor") + F("refund_reserved_minor"))
    )
    for payment in wrong:
        facts = f"{payment.status}: captured {payment.captured_minor} of {payment.amount_minor}"
        yield Violation("I4", str(payment.pk), f"{facts}, refunded {payment.refunded_minor}")
    for payment in Payment.objects.filter(pk__in=Refund.objects.values("payment_id")):
        rows = [(refund.status, refund.amount_minor) for refund in payment.refunds.all()]
        given = sum(amount for status, amount in rows if status in ("PENDING", "SUCCEEDED"))
        reserved = sum(amount for status, amount in rows if status == "REQUESTED")
        if (given, reserved) != (payment.refunded_minor, payment.refund_reserved_minor):
            detail = f"refunds add up to {given} and {reserved} set aside, the payment says"
            yield Violation(
                "I4", str(payment.pk), f"{detail} {payment.refunded_minor} and {payment.refund_reserved_minor}"
            )


def check_captures_at_provider() -> Iterator[Violation]:
    """Yield orders for which more than one intent at the provider keeps money."""
    try:
        captures = count_captures(since=now() - LOOK_BACK)
    except Fault as error:
        yield Violation("I4", "provider", f"could not be asked: {error}")
        return
    for order_id, count in captures.items():
        if count > 1:
            yield Violation("I4", order_id, f"{count} intents keep money at the provider")


def check_outcomes() -> Iterator[Violation]:
    """Yield what should have been resolved long ago."""
    for payment in waiting_too_long(limit=RESOLVED_WITHIN):
        yield Violation("I10", str(payment.pk), f"{payment.status} since {payment.changed_at:%Y-%m-%d %H:%M} UTC")
    long_ago = Now() - RESOLVED_WITHIN
    for refund in Refund.objects.filter(status="REQUESTED", created_at__lt=long_ago):
        yield Violation("I10", str(refund.payment_id), f"refund {refund.pk} without an answer")
    for stray in StrayIntent.objects.filter(settled_at=None, found_at__lt=long_ago):
        yield Violation("I10", str(stray.order_id), f"stray intent {stray.intent_id} not settled")


def check_provider() -> Iterator[Violation]:
    """Yield where the provider's list and our rows differ, looked at twice."""
    try:
        for difference in find_differences(since=now() - LOOK_BACK):
            yield Violation("I11", difference.order_id, f"{difference.intent_id}: {difference.detail}")
    except Fault as error:
        yield Violation("I11", "provider", f"could not be asked: {error}")
