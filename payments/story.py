"""What payments says about one order in `explain_order`: what happened to the money, and what will happen automatically."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from payments.gateways import provider
from payments.models import (
    OPEN_DISPUTES,
    UNANSWERED_DISPUTES,
    WAITING,
    Dispute,
    DisputeStatus,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    StrayIntent,
    StrayReason,
    WebhookEvent,
)
from shop.clock import now
from shop.events.past import facts_about
from shop.money import Money
from shop.story.timeline import Happening, Story, Upcoming, told_by

CONTEXT = "payments"

_IN_WORDS = {
    "payment.opened": "the payment was written down",
    "payment.submitted": "{provider} holds the unconfirmed intent",
    "payment.action_required": "the bank asks the customer to authenticate",
    "payment.unknown": "{provider}'s answer did not come: what happened is being asked",
    "payment.failed": "the card was declined",
    "payment.authorized": "the card was authorized: the amount is held on it",
    "payment.captured": "the money was taken",
    "payment.voided": "the payment was closed: no money was taken, and none can be",
    "payment.refunded": "money was given back",
    "payment.settled_otherwise": "staff paid what was owed another way",
    "refund.requested": "a refund was written down",
    "refund.pending": "{provider} accepted the refund; the bank works on it",
    "refund.succeeded": "the refund is done",
    "refund.failed": "the refund failed: the customer is still owed the amount",
    "payment.dispute_opened": "the customer's bank disputes the payment",
    "payment.dispute_changed": "the dispute moved on",
    "payment.dispute_closed": "the dispute is over",
}
_OUTCOMES = {
    "": "waits to be looked at",
    "recorded": "moved the payment on",
    "nothing_new": "told nothing new",
    "mismatch": "differs from our payment; nothing was recorded",
    "no_such_intent": "{provider} knows no such intent",
}


def tell_story(order_id: UUID) -> Story:
    """Tell what happened to the money of an order, and what will happen automatically."""
    payment = Payment.objects.filter(pk=order_id).first()
    if payment is None:
        return Story()
    refunds = list(Refund.objects.filter(payment_id=order_id))
    strays = list(StrayIntent.objects.filter(order_id=order_id))
    disputes = list(Dispute.objects.filter(payment_id=order_id))
    subjects = [order_id, *(refund.pk for refund in refunds), *(dispute.pk for dispute in disputes)]
    told = facts_about(CONTEXT, subjects)
    happened = [told_by(fact, context=CONTEXT, what=_words(fact.type, fact.payload)) for fact in told]
    happened += [_notice(notice) for notice in _notices(payment)]
    happened += [_stray(stray) for stray in strays]
    upcoming = [*_upcoming(payment, refunds, strays), *(each for dispute in disputes for each in _disputed(dispute))]
    return Story(tuple(happened), tuple(upcoming))


def _words(fact: str, payload: dict[str, Any]) -> str:
    if fact == "payment.refunded" and payload.get("full"):
        return "all the money was given back"
    if fact.startswith("payment.dispute_") and payload.get("status") in DisputeStatus:
        return f"{_IN_WORDS[fact]} ({DisputeStatus(payload['status']).label})"
    return _IN_WORDS.get(fact, fact).format(provider=provider().name)


def _notices(payment: Payment) -> list[WebhookEvent]:
    return list(WebhookEvent.objects.filter(intent_id=payment.intent_id)) if payment.intent_id else []


def _notice(notice: WebhookEvent) -> Happening:
    outcome = _OUTCOMES.get(notice.outcome, notice.outcome).format(provider=provider().name)
    return Happening(
        notice.received_at,
        CONTEXT,
        f"{provider().name} sent {notice.type}",
        {"outcome": outcome, "event_id": notice.event_id},
    )


def _stray(stray: StrayIntent) -> Happening:
    facts: dict[str, object] = {
        "intent_id": stray.intent_id,
        "reason": StrayReason(stray.reason).label,
        "outcome": stray.outcome or "being settled",
    }
    return Happening(stray.found_at, CONTEXT, f"{provider().name} holds an intent that must not hold money", facts)


def _disputed(dispute: Dispute) -> Iterator[Upcoming]:
    if dispute.status in UNANSWERED_DISPUTES:
        amount = Money(dispute.amount_minor, dispute.currency)
        what = f"dispute {dispute.provider_dispute_id} of {amount} ({dispute.reason}) is to be answered at {provider().name}"
        yield Upcoming(CONTEXT, what, dispute.evidence_due_at, by_staff=True)
    elif dispute.status in OPEN_DISPUTES:
        yield Upcoming(CONTEXT, f"the bank decides about dispute {dispute.provider_dispute_id}")


def _upcoming(payment: Payment, refunds: list[Refund], strays: list[StrayIntent]) -> list[Upcoming]:
    coming = []
    if payment.status in WAITING:
        coming.append(
            Upcoming(CONTEXT, f"{provider().name} is asked how the payment stands ({payment.status})", payment.due_at)
        )
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        coming.append(Upcoming(CONTEXT, "the customer authenticates (3-D Secure)"))
    coming += [
        Upcoming(CONTEXT, f"{provider().name} is asked for refund {refund.pk} again", refund.due_at or now())
        for refund in refunds
        if refund.status == RefundStatus.REQUESTED
    ]
    coming += [
        Upcoming(
            CONTEXT, f"{provider().name} is asked what the bank made of refund {refund.pk}", refund.due_at or now()
        )
        for refund in refunds
        if refund.status == RefundStatus.PENDING
    ]
    if payment.owed_minor:
        owed = Money(payment.owed_minor, payment.currency)
        failed = any(refund.status == RefundStatus.FAILED for refund in refunds)
        whence = "of a refund that did not arrive" if failed else "that an appeal brought back after the order's end"
        what = f"{owed} {whence} is owed to the customer: refund it, or settle it otherwise"
        coming.append(Upcoming(CONTEXT, what, by_staff=True))
    coming += [
        Upcoming(CONTEXT, f"intent {stray.intent_id} is canceled or refunded", stray.due_at)
        for stray in strays
        if stray.settled_at is None
    ]
    return coming
