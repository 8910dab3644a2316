"""Void: make sure that no money is taken, and that none can be any more.

Canceling the intent by its id is the fence: only when the provider says `canceled` is VOIDED recorded, so that stock
released afterwards can't meet a charge that arrives late. Where it turns out that the money was taken, it goes back.
"""

from __future__ import annotations

from uuid import UUID

from payments import rules
from payments.events import PaymentVoided
from payments.gateways import PaymentUnknown, ProviderRefused, provider
from payments.models import CLOSED, NO_CURRENCY, OPEN, Payment, PaymentStatus, Refund, RefundStatus
from payments.queries import PaymentState, to_state
from payments.services.authorize import insert_first
from payments.services.owed import owe_what_comes_back
from payments.services.recording import (
    are_keys_expired,
    change,
    load,
    record_intent,
    record_unanswered,
    renew_keys,
)
from payments.services.refund import refund_payment
from shop import transactions
from shop.ids import derived_id

ROUNDS = 5
# How often the money of a closed order is sent back, where the provider refuses it or the bank returns it. What was
# refused for a dispute is not counted.
REFUNDS = 10
REFUND_IDS = 2 * REFUNDS


def void_payment(*, order_id: UUID, reason: str) -> PaymentState:
    """Close the payment: VOIDED, or REFUNDED where the money had been taken. `reason`: a code, no free text.

    Idempotent. Where there is no payment yet, a tombstone closes the door to one that comes late. Raises:
    PaymentUnknown, PaymentProviderUnavailable (call again: nothing is closed yet), RefundRefused (each call tries a
    further refund, up to REFUNDS of them), PaymentDisputed, ProviderMismatch.
    """
    transactions.forbid()
    for _round in range(ROUNDS):
        payment = Payment.objects.filter(pk=order_id).first() or _leave_tombstone(order_id, reason)
        if (payment.status in CLOSED or payment.lost_minor) and not _count_kept(payment):
            if payment.lost_minor:
                owe_what_comes_back(order_id=order_id)
            return to_state(payment)
        if payment.status == PaymentStatus.NEW or (payment.status in OPEN and payment.intent_id is None):
            # Nothing that could take money has been sent: the confirmation goes out after SUBMITTED only.
            change(
                payment,
                expected=[PaymentStatus(payment.status)],
                event=PaymentVoided(order_id=order_id, reason=reason, answered=True),
                void_reason=reason,
            )
        elif payment.status in OPEN:
            _cancel(payment, reason)
        else:
            refund_payment(order_id=order_id, refund_id=_id_of_refund(order_id), amount=None, reason=reason)
    raise PaymentUnknown("the payment keeps moving", operation="cancel", order_id=order_id)


def _count_kept(payment: Payment) -> int:
    """Return the minor units that were taken and are still ours: where a refund came back, a further one is made."""
    gone = payment.refunded_minor + payment.settled_minor + payment.lost_minor
    return max(payment.captured_minor - gone, 0)


def _id_of_refund(order_id: UUID) -> UUID:
    """Return the id of the refund to ask for: a further one where the one before was refused or came back."""
    ids = [derived_id("void", order_id, *([further] if further else [])) for further in range(REFUND_IDS)]
    rows = Refund.objects.filter(pk__in=ids, status=RefundStatus.FAILED).values_list("pk", "failure_code")
    failed = dict(rows)
    if sum(code != rules.REFUSED_AS_DISPUTED for code in failed.values()) >= REFUNDS:
        return next(refund_id for refund_id in reversed(ids) if refund_id in failed)
    return next((refund_id for refund_id in ids if refund_id not in failed), ids[-1])


def _leave_tombstone(order_id: UUID, reason: str) -> Payment:
    event = PaymentVoided(order_id=order_id, reason=reason, answered=True)
    tombstone = Payment(
        order_id=order_id,
        status=Payment.status_after(event),
        amount_minor=0,
        currency=NO_CURRENCY,
        void_reason=reason,
    )
    if insert_first(tombstone, event):
        return tombstone
    return load(order_id)


def _cancel(payment: Payment, reason: str) -> None:
    intent_id = payment.intent_id or ""
    if are_keys_expired(payment):
        payment = renew_keys(payment)
    try:
        intent = provider().cancel_intent(intent_id=intent_id, key=payment.key("cancel"))
    except ProviderRefused:
        # Canceled already, or captured: how it stands now decides.
        intent = provider().retrieve_intent(intent_id=intent_id)
        if intent.status not in rules.FINAL_INTENTS:
            renew_keys(payment)  # the old key would only repeat the refusal
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        if not error.key_is_spent:
            raise
        intent = provider().retrieve_intent(intent_id=intent_id)  # that request is over: how it stands now decides
    if intent.status not in rules.FINAL_INTENTS:
        raise PaymentUnknown(
            f"the provider did not cancel: {intent.status}", operation="cancel", order_id=payment.order_id
        )
    record_intent(payment, intent, void_reason=reason, answered=True)
