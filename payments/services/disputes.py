"""Disputes: what a customer's bank takes back, or asks about, as the provider shows it. See models.py, Note [Disputed payments].

The provider is asked outside any transaction, and its answer is recorded only if no other answer was recorded since the
asking began: so an older answer never overwrites a newer one, however late it comes. The payment keeps what its disputes
stop and what they took for good. Every transaction here locks the payment's row first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import F
from django.db.models.functions import Least, Now

from payments.events import PaymentDisputeChanged, PaymentDisputeClosed, PaymentDisputeOpened
from payments.gateways import DisputeSnapshot, Obstacle, PaymentUnknown, ProviderMismatch, ProviderRefused, provider
from payments.models import (
    CHARGEBACKS,
    OPEN_DISPUTES,
    Dispute,
    DisputeStatus,
    Payment,
    combined_status,
    count_lost,
    first_status,
)
from payments.services.owed import balance_owed
from payments.services.recording import load
from payments.services.traces import name_order
from shop import clock, transactions
from shop.errors import Refusal
from shop.events.event import Event
from shop.events.publishing import publish
from shop.ids import derived_id
from shop.money import Money
from shop.states import change_status

log = structlog.get_logger(__name__)

# Webhooks are faster; these make up for lost ones.
ASK_AGAIN = timedelta(hours=6)
ASK_AFTER_THE_END = timedelta(days=1)
# For so long: money may be reinstated, or an appeal begin, later.
LOOK_AFTER_THE_END = timedelta(days=30)
ROUNDS = 5


class PaymentDisputed(Refusal):
    """A chargeback of the payment is open: the bank has the money, and a refund would give it back a second time."""

    code = "payment_disputed"
    title = "The payment is disputed at the customer's bank; nothing can be refunded until that is decided"
    fact_types = {"order_id": UUID, "dispute": str}


def refuse_disputed(payment: Payment) -> None:
    """Refuse where a chargeback of this payment is open; its row is locked. Raises: PaymentDisputed."""
    if payment.dispute_status in CHARGEBACKS:
        raise PaymentDisputed(order_id=payment.pk, dispute=payment.dispute_status)


def sync_disputes(payment: Payment) -> bool:
    """Ask the provider for all disputes of a payment and record what it shows; return whether that was news.

    Raises: PaymentUnknown, PaymentProviderUnavailable, ProviderMismatch (a status that we do not know).
    """
    transactions.forbid()
    changed = False
    for _round in range(ROUNDS):
        known = _answers(payment)
        seen = list(provider().iter_disputes(intent_id=payment.intent_id))
        recorded = [_record(payment.pk, each, known.get(each.provider_dispute_id)) for each in seen]
        changed = changed or any(recorded)
        if None not in recorded:
            return changed
    raise PaymentUnknown("its disputes keep moving", operation="list_disputes", order_id=payment.pk)


def explains_refusal(payment: Payment) -> bool:
    """Return whether the provider shows a dispute for which it refuses a refund; what it shows is recorded.

    False also where it lists none yet, or one that cannot be recorded. Raises: PaymentUnknown, PaymentProviderUnavailable.
    """
    try:
        sync_disputes(payment)
    except (ProviderMismatch, ProviderRefused) as error:
        log.warning("payment.disputes_not_read", order_id=str(payment.pk), error=str(error))
    found = load(payment.pk)
    return found.dispute_status in CHARGEBACKS or found.lost_minor > 0


def ask_about_dispute(*, dispute_id: UUID) -> bool:
    """Ask the provider how one dispute stands and record it; return whether that was news. Raises: as above."""
    transactions.forbid()
    for _round in range(ROUNDS):
        dispute = Dispute.objects.get(pk=dispute_id)
        with name_order(dispute.payment_id):
            seen = provider().retrieve_dispute(provider_dispute_id=dispute.provider_dispute_id)
        recorded = _record(dispute.payment_id, seen, dispute.answers)
        if recorded is not None:
            return recorded
    raise PaymentUnknown("the dispute keeps moving", operation="retrieve_dispute", order_id=dispute.payment_id)


def find_dispute_difference(payment: Payment, seen: DisputeSnapshot) -> str:
    """Return in what a dispute at the provider and ours differ, "" where they agree to the cent."""
    dispute = Dispute.objects.filter(provider_dispute_id=seen.provider_dispute_id, payment=payment).first()
    if dispute is None:
        return f"dispute {seen.provider_dispute_id} of {seen.amount} at the provider, none here"
    here = (dispute.status, dispute.amount_minor, dispute.currency, *_account(dispute))
    there = (seen.status or seen.provider_status.upper(), seen.amount.minor, seen.amount.currency, *_account_of(seen))
    return (
        ""
        if here == there
        else f"dispute {seen.provider_dispute_id} is {_describe(here)} here, {_describe(there)} there"
    )


def is_missing_there(dispute: Dispute) -> bool:
    """Ask whether the provider has never heard of a dispute of ours. Raises: PaymentUnknown."""
    try:
        provider().retrieve_dispute(provider_dispute_id=dispute.provider_dispute_id)
    except ProviderRefused as error:
        if error.obstacle is not Obstacle.NOTHING_THERE:
            raise PaymentUnknown(error.detail, operation="retrieve_dispute", order_id=dispute.payment_id) from error
        return True
    return False


def _account(dispute: Dispute) -> tuple[int, int, str]:
    moved = dispute.withdrawn_minor or dispute.fee_minor
    return dispute.withdrawn_minor, dispute.fee_minor, dispute.account_currency if moved else ""


def _account_of(seen: DisputeSnapshot) -> tuple[int, int, str]:
    moved = seen.withdrawn.minor or seen.fee.minor
    return seen.withdrawn.minor, seen.fee.minor, seen.withdrawn.currency if moved else ""


def _describe(side: tuple[str, int, str, int, int, str]) -> str:
    status, amount, currency, withdrawn, fee, account = side
    moved = f", {Money(withdrawn, account)} withdrawn and a fee of {Money(fee, account)}" if account else ""
    return f"{status} over {Money(amount, currency)}{moved}"


def _answers(payment: Payment) -> Mapping[str, int]:
    return dict(Dispute.objects.filter(payment=payment).values_list("provider_dispute_id", "answers"))


def _record(order_id: UUID, seen: DisputeSnapshot, answers: int | None) -> bool | None:
    """Record an answer that was asked for when `answers` had been recorded; None where another came in between.

    Raises: ProviderMismatch for a status or a move that our table does not know; nothing is recorded then.
    """
    to = str(_status(seen))
    with transactions.transaction("payments"):
        payment = Payment.objects.select_for_update().get(pk=order_id)
        dispute = Dispute.objects.filter(provider_dispute_id=seen.provider_dispute_id).first()
        if (None if dispute is None else dispute.answers) != answers:
            return None
        news = dispute is None
        if dispute is None:
            dispute = _open(payment, seen)
        if to != dispute.status:
            _move(payment, dispute, to, seen)
            news = True
        Dispute.objects.filter(pk=dispute.pk).update(
            answers=F("answers") + 1, due_at=_next_look(dispute.pk, to), **_facts(seen)
        )
        _carry_to_payment(payment)
    if news:
        log.warning(
            "payment.dispute",
            order_id=str(order_id),
            dispute_id=seen.provider_dispute_id,
            status=to,
            amount_minor=seen.amount.minor,
        )
    return news


def _status(seen: DisputeSnapshot) -> DisputeStatus:
    if seen.status is None:
        log.error("payment.dispute_status_unknown", dispute_id=seen.provider_dispute_id, status=seen.provider_status)
        raise ProviderMismatch(f"dispute {seen.provider_dispute_id} is {seen.provider_status}, which is unknown here")
    return seen.status


def _facts(seen: DisputeSnapshot) -> dict[str, Any]:
    return {
        "amount_minor": seen.amount.minor,
        "currency": seen.amount.currency,
        "reason": seen.reason[:80],
        "withdrawn_minor": seen.withdrawn.minor,
        "fee_minor": seen.fee.minor,
        "account_currency": seen.withdrawn.currency,
        "evidence_due_at": seen.evidence_due_at,
        "attempts": 0,
        "last_error": "",
    }


def _open(payment: Payment, seen: DisputeSnapshot) -> Dispute:
    """Write a new dispute down as it began, with the fact of it; the payment's row is locked."""
    facts, dispute_id = _facts(seen), derived_id("provider dispute", seen.provider_dispute_id)
    event = PaymentDisputeOpened(
        dispute_id=dispute_id,
        order_id=payment.pk,
        status=str(first_status(_status(seen))),
        reason=facts["reason"],
        amount=seen.amount,
    )
    dispute = Dispute.objects.create(
        dispute_id=dispute_id,
        provider_dispute_id=seen.provider_dispute_id,
        payment=payment,
        status=Dispute.status_after(event),
        opened_at=seen.created_at,
        **facts,
    )
    publish(event, aggregate_id=dispute.pk, aggregate_version=1)
    return dispute


def _move(payment: Payment, dispute: Dispute, to: str, seen: DisputeSnapshot) -> None:
    """Move a dispute to what the provider shows, with the fact of it; the payment's row is locked."""
    if to not in Dispute.TRANSITIONS[dispute.status]:
        log.error("payment.dispute_moved_wrongly", dispute_id=seen.provider_dispute_id, status=dispute.status, to=to)
        raise ProviderMismatch(f"dispute {seen.provider_dispute_id} went from {dispute.status} to {to}")
    is_open = to in OPEN_DISPUTES
    lost = count_lost(status=to, disputed_minor=seen.amount.minor, withdrawn=seen.withdrawn.minor > 0)
    event: Event = PaymentDisputeClosed(
        dispute_id=dispute.pk,
        order_id=payment.pk,
        status=to,
        lost=Money(lost, seen.amount.currency),
        revision=dispute.version + 1,
        refunded_in_full=_is_refunded(payment),
    )
    if is_open:
        event = PaymentDisputeChanged(
            dispute_id=dispute.pk, order_id=payment.pk, status=to, revision=dispute.version + 1
        )
    change_status(
        Dispute,
        dispute.pk,
        expected=[DisputeStatus(dispute.status)],
        event=event,
        changed_at=Now(),
        closed_at=None if is_open else Now(),
    )


def _is_refunded(payment: Payment) -> bool:
    """Return whether the whole capture went back, or is set aside to; its row is locked."""
    gone = payment.refunded_minor + payment.refund_reserved_minor + payment.settled_minor
    return 0 < payment.captured_minor <= gone


def _next_look(dispute_id: UUID, status: str) -> Any:
    """Return when to ask again: while it is open, and for a while after, since money and appeals may follow."""
    if status in OPEN_DISPUTES:
        return Now() + ASK_AGAIN
    closed_at = Dispute.objects.values_list("closed_at", flat=True).get(pk=dispute_id)
    over = closed_at is None or clock.now() - closed_at > LOOK_AFTER_THE_END
    return None if over else Now() + ASK_AFTER_THE_END


def _carry_to_payment(payment: Payment) -> None:
    """Keep on the payment what its disputes say together, and owe its customer what is promised and left."""
    disputes = list(Dispute.objects.filter(payment=payment).select_related("payment"))
    Payment.objects.filter(pk=payment.pk).update(
        dispute_status=combined_status(each.status for each in disputes),
        lost_minor=Least(F("captured_minor"), sum(each.lost_minor for each in disputes)),
    )
    balance_owed(payment.pk)
