"""Reads: what a payment is to other contexts, and what of it waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from payments.models import Payment, PaymentStatus, Refund, RefundStatus, StrayIntent
from shop.money import Money

UNANSWERED = (PaymentStatus.SUBMITTED, PaymentStatus.UNKNOWN)
WAITING = (*UNANSWERED, PaymentStatus.REQUIRES_ACTION)


@dataclass(frozen=True)
class PaymentState:
    """How the payment of an order stands. `client_secret` and `next_action` only where the provider was just asked."""

    order_id: UUID
    status: str
    amount: Money
    captured: Money
    refunded: Money
    intent_id: str = ""
    client_secret: str = field(default="", repr=False)
    decline_code: str = ""
    next_action: str = ""


def state_of(payment: Payment, *, client_secret: str = "", next_action: str = "") -> PaymentState:
    """Return what other contexts may see of a row."""
    return PaymentState(
        order_id=payment.order_id,
        status=str(payment.status),
        amount=payment.amount,
        captured=Money(payment.captured_minor, payment.currency),
        refunded=Money(payment.refunded_minor, payment.currency),
        intent_id=payment.intent_id or "",
        client_secret=client_secret,
        decline_code=payment.decline_code,
        next_action=next_action,
    )


def get_payment(*, order_id: UUID) -> PaymentState | None:
    """Return the recorded state of an order's payment, None where there is none; the provider isn't asked."""
    payment = Payment.objects.filter(pk=order_id).first()
    return state_of(payment) if payment else None


def get_payments(*, order_ids: Collection[UUID]) -> dict[UUID, PaymentState]:
    """Return the recorded states of these orders' payments, by order; orders without one are missing."""
    return {payment.order_id: state_of(payment) for payment in Payment.objects.filter(pk__in=order_ids)}


def has_refund(*, refund_id: UUID) -> bool:
    """Say whether a refund of this id was asked for, whatever became of it."""
    return Refund.objects.filter(pk=refund_id).exists()


def iter_payments(*, after: UUID | None = None, limit: int = 500) -> list[PaymentState]:
    """Return up to `limit` payments in the order of their ids, from behind `after` on."""
    rows = Payment.objects.order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return [state_of(payment) for payment in rows[:limit]]


def count_unresolved(*, older_than: timedelta = timedelta(0)) -> int:
    """Count the payments whose outcome is not known, other than those that wait for their customer (for alerts)."""
    return Payment.objects.filter(status__in=UNANSWERED, changed_at__lte=Now() - older_than).count()


def waiting_too_long(*, limit: timedelta) -> list[Payment]:
    """Return the payments that have been UNKNOWN or SUBMITTED for longer than `limit`."""
    return list(Payment.objects.filter(status__in=UNANSWERED, changed_at__lt=Now() - limit))


def payment_figures() -> dict[str, object]:
    """Return the dashboard's figures: what waits for the provider, for the customer, or for a human."""
    return {
        "without an outcome": Payment.objects.filter(
            status__in=(PaymentStatus.SUBMITTED, PaymentStatus.UNKNOWN)
        ).count(),
        "waiting for the customer": Payment.objects.filter(status=PaymentStatus.REQUIRES_ACTION).count(),
        "refunds under way": Refund.objects.filter(status=RefundStatus.REQUESTED).count(),
        "refunds refused": Refund.objects.filter(status=RefundStatus.FAILED).count(),
        "stray intents to settle": StrayIntent.objects.filter(settled_at=None).count(),
    }
