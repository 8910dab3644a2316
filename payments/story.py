"""What payments says about one order in `explain_order`: what happened to the money, and what will by itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from payments.models import Outbox, Payment, PaymentStatus, Refund, RefundStatus, StrayIntent, StrayReason, WebhookEvent
from payments.queries import WAITING
from shop.clock import now
from shop.timeline import Happening, Story, Upcoming, facts_of

CONTEXT = "payments"

_IN_WORDS = {
    "payment.opened": "the payment was written down",
    "payment.submitted": "Stripe holds the unconfirmed intent",
    "payment.action_required": "the bank asks the customer to authenticate",
    "payment.unknown": "Stripe's answer did not come: what happened is being asked",
    "payment.failed": "the card was declined",
    "payment.authorized": "the card was authorized: the amount is held on it",
    "payment.captured": "the money was taken",
    "payment.voided": "the payment was closed: no money was taken, and none can be",
    "payment.refunded": "money was given back",
    "refund.requested": "a refund was written down",
    "refund.pending": "Stripe accepted the refund; the bank works on it",
    "refund.succeeded": "the refund is done",
    "refund.failed": "the refund failed: the customer is still owed the amount",
}
_OUTCOMES = {
    "": "waits to be looked at",
    "recorded": "moved the payment on",
    "nothing_new": "told nothing new",
    "mismatch": "differs from our payment; nothing was recorded",
    "no_such_intent": "Stripe knows no such intent",
}


def tell_story(order_id: UUID) -> Story:
    """Tell what happened to the money of an order, and what will happen by itself."""
    payment = Payment.objects.filter(pk=order_id).first()
    if payment is None:
        return Story()
    refunds = list(Refund.objects.filter(payment_id=order_id))
    strays = list(StrayIntent.objects.filter(order_id=order_id))
    told = Outbox.objects.filter(aggregate_id__in=[order_id, *(refund.pk for refund in refunds)]).order_by("id")
    happened = [
        Happening(fact.occurred_at, CONTEXT, _words(fact.type, fact.payload), facts_of(fact.payload)) for fact in told
    ]
    happened += [_notice(notice) for notice in _notices(payment)]
    happened += [_stray(stray) for stray in strays]
    return Story(tuple(happened), tuple(_upcoming(payment, refunds, strays)))


def _words(fact: str, payload: dict[str, Any]) -> str:
    if fact == "payment.refunded" and payload.get("full"):
        return "all the money was given back"
    return _IN_WORDS.get(fact, fact)


def _notices(payment: Payment) -> list[WebhookEvent]:
    return list(WebhookEvent.objects.filter(intent_id=payment.intent_id)) if payment.intent_id else []


def _notice(notice: WebhookEvent) -> Happening:
    outcome = _OUTCOMES.get(notice.outcome, notice.outcome)
    return Happening(
        notice.received_at, CONTEXT, f"Stripe sent {notice.type}", {"outcome": outcome, "event_id": notice.event_id}
    )


def _stray(stray: StrayIntent) -> Happening:
    facts: dict[str, object] = {
        "intent_id": stray.intent_id,
        "reason": StrayReason(stray.reason).label,
        "outcome": stray.outcome or "being settled",
    }
    return Happening(stray.found_at, CONTEXT, "Stripe holds an intent that must not hold money", facts)


def _upcoming(payment: Payment, refunds: list[Refund], strays: list[StrayIntent]) -> list[Upcoming]:
    coming = []
    if payment.status in WAITING:
        coming.append(Upcoming(CONTEXT, f"Stripe is asked how the payment stands ({payment.status})", payment.due_at))
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        coming.append(Upcoming(CONTEXT, "the customer authenticates (3-D Secure)"))
    coming += [
        Upcoming(CONTEXT, f"Stripe is asked for refund {refund.pk} again", refund.due_at or now())
        for refund in refunds
        if refund.status == RefundStatus.REQUESTED
    ]
    coming += [
        Upcoming(CONTEXT, f"Stripe is asked what the bank made of refund {refund.pk}", refund.due_at or now())
        for refund in refunds
        if refund.status == RefundStatus.PENDING
    ]
    coming += [
        Upcoming(CONTEXT, f"intent {stray.intent_id} is canceled or refunded", stray.due_at)
        for stray in strays
        if stray.settled_at is None
    ]
    return coming
