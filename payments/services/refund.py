"""Refund: give back a part of the capture or all of it, never more, however many ask at once.

The amount is set aside in one conditional UPDATE before the provider is asked, and a CHECK in the database says the
same. Every transaction here locks the payment's row before the refund's.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.db.models import F

from payments import rules
from payments.events import RefundRequested
from payments.gateways import Obstacle, PaymentUnknown, ProviderRefused, RefundSnapshot, provider
from payments.models import PAID, Payment, Refund, RefundStatus
from payments.queries import PaymentState, to_state
from payments.services.capture import PaymentNotAuthorized
from payments.services.disputes import explains_refusal, refuse_disputed
from payments.services.record_refund import fail_refund, record_refund
from payments.services.recording import are_keys_expired, load, note, renew_keys, unanswered
from shop import clock, transactions
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.money import Money

log = structlog.get_logger(__name__)

ASK_AGAIN = timedelta(seconds=30)
# The provider may refuse a refund for a dispute a little before it lists that dispute.
TRIES_UNEXPLAINED = 10


class RefundExceedsCapture(Refusal):
    """More was asked back than is left of what was taken."""

    code = "refund_exceeds_capture"
    title = "The refund is more than what is left of the payment"
    fact_types = {"order_id": UUID, "wanted": Money, "refundable": Money}

    def __init__(self, *, order_id: UUID, wanted: Money, refundable: Money) -> None:
        super().__init__(
            f"{wanted} is more than the {refundable} that can still be refunded",
            order_id=order_id,
            wanted=wanted,
            refundable=refundable,
        )


class RefundInOtherCurrency(Refusal):
    """A refund is made in the currency of its payment."""

    code = "refund_currency_differs"
    title = "The refund is in another currency than the payment"
    fact_types = {"order_id": UUID, "wanted": Money, "currency": str}

    def __init__(self, *, order_id: UUID, wanted: Money, currency: str) -> None:
        super().__init__(
            f"{wanted} cannot be refunded of a payment in {currency}",
            order_id=order_id,
            wanted=wanted,
            currency=currency,
        )


class RefundDiffers(Refusal):
    """The id of this refund belongs to one of another amount: a new refund needs a new id."""

    code = "refund_differs"
    title = "This refund was asked for before with another amount; send a new Idempotency-Key for a new refund"
    http_status = 422
    fact_types = {"refund_id": UUID, "amount": Money}


class RefundRefused(Refusal):
    """The provider did not carry the refund out, or the bank sent it back: the customer is still owed the amount."""

    code = "refund_refused"
    title = "The refund was refused"
    fact_types = {"refund_id": UUID, "failure_code": str}

    @property
    def by_dispute(self) -> bool:
        """Return whether a dispute is why it was refused: the money was not ours to return, so it does not count as a try."""
        return bool(self.facts["failure_code"] == rules.REFUSED_AS_DISPUTED)


def refund_payment(*, order_id: UUID, refund_id: UUID, amount: Money | None, reason: str) -> PaymentState:
    """Give `amount` back, None for all that is left. Idempotent by refund_id.

    `reason`: at most 80 characters; it goes into events, so nothing personal.
    Raises: RefundExceedsCapture, RefundInOtherCurrency, RefundDiffers, PaymentNotAuthorized (nothing was taken),
    PaymentDisputed, RefundRefused, UnchargeableAmount; PaymentUnknown and PaymentProviderUnavailable: the refund
    stays REQUESTED and is retried automatically.
    """
    transactions.forbid()
    if amount is not None:
        provider().check_countable(amount=amount)
    refund = Refund.objects.filter(pk=refund_id).first()
    if refund is None:
        refund = reserve_refund(order_id, refund_id, amount, reason)
        if refund is None:
            return to_state(load(order_id))
        _check_is_the_same(refund, order_id, amount)
        return _send(refund, ask_first=False)
    _check_is_the_same(refund, order_id, amount)
    return resume_refund(refund_id=refund_id)


def _check_is_the_same(refund: Refund, order_id: UUID, amount: Money | None) -> None:
    asked = Money(refund.amount_minor, refund.payment.currency)
    if refund.payment_id != order_id or (amount is not None and amount != asked):
        raise RefundDiffers(refund_id=refund.pk, amount=asked)


def resume_refund(*, refund_id: UUID, awaited: bool = True) -> PaymentState:
    """Take up a refund again whose answer did not come; one that has its answer is returned as it stands.

    `awaited`: the caller has somebody to tell that it was refused; else what it was to bring is owed from then on.
    Raises: RefundRefused, PaymentUnknown, PaymentProviderUnavailable.
    """
    refund = Refund.objects.get(pk=refund_id)
    if refund.status == RefundStatus.REQUESTED:
        return _send(refund, ask_first=True, awaited=awaited)
    return _answer(refund)


def ask_about_pending_refund(*, refund_id: UUID) -> str:
    """Ask what the bank made of a refund that was PENDING; record it and return the refund's status.

    Raises: PaymentUnknown, PaymentProviderUnavailable.
    """
    transactions.forbid()
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if refund.status != RefundStatus.PENDING:
        return str(refund.status)
    made = _find(refund, refund.payment)
    return str(record_refund(refund, made).status) if made is not None else str(refund.status)


def _answer(refund: Refund) -> PaymentState:
    if refund.status == RefundStatus.FAILED:
        raise RefundRefused(
            f"refund {refund.pk} was refused: {refund.failure_code}",
            refund_id=refund.pk,
            failure_code=refund.failure_code,
        )
    return to_state(load(refund.payment_id))


def reserve_refund(
    order_id: UUID, refund_id: UUID, amount: Money | None, reason: str, *, provider_refund_id: str | None = None
) -> Refund | None:
    """Set the amount aside and write the refund down; None where all is refunded and nothing more was asked for.

    `provider_refund_id`: of one that the provider has made already; it is then never asked for another.
    """
    with transactions.transaction("payments"):
        payment = Payment.objects.select_for_update().filter(pk=order_id).first()
        if payment is None or payment.status not in PAID:
            status = str(payment.status) if payment else ""
            raise PaymentNotAuthorized(
                f"nothing was taken for order {order_id}, so nothing goes back", order_id=order_id, status=status
            )
        if (earlier := Refund.objects.filter(pk=refund_id).first()) is not None:
            return earlier
        if provider_refund_id is None:
            refuse_disputed(payment)
        wanted = amount or payment.refundable
        if amount is None and not wanted.minor:
            if payment.refund_reserved_minor:
                raise PaymentUnknown("a refund of all that is left is under way", operation="refund", order_id=order_id)
            return None
        _set_aside(payment, wanted)
        event = RefundRequested(refund_id=refund_id, order_id=order_id, amount=wanted)
        refund = Refund.objects.create(
            refund_id=refund_id,
            status=Refund.status_after(event),
            payment_id=order_id,
            amount_minor=wanted.minor,
            reason=reason,
            provider_refund_id=provider_refund_id,
            due_at=clock.now() + ASK_AGAIN,
            attempt_began_at=clock.now(),
        )
        publish(event, aggregate_id=refund_id, aggregate_version=1)
    return refund


def _set_aside(payment: Payment, wanted: Money) -> None:
    if wanted.currency != payment.currency:
        raise RefundInOtherCurrency(order_id=payment.pk, wanted=wanted, currency=payment.currency)
    if wanted.minor <= 0:
        raise RefundExceedsCapture(order_id=payment.pk, wanted=wanted, refundable=payment.refundable)
    gone = F("refunded_minor") + F("refund_reserved_minor") + F("settled_minor") + F("lost_minor")
    reserved = (
        Payment.objects.filter(pk=payment.pk, status__in=PAID)
        .alias(room=F("captured_minor") - gone)
        .filter(room__gte=wanted.minor)
        .update(refund_reserved_minor=F("refund_reserved_minor") + wanted.minor)
    )
    if not reserved:
        raise RefundExceedsCapture(order_id=payment.pk, wanted=wanted, refundable=payment.refundable)


def _send(refund: Refund, *, ask_first: bool, awaited: bool = True) -> PaymentState:
    payment = load(refund.payment_id)
    try:
        made = _find(refund, payment) if ask_first else None
        if made is None:
            # Where its key may be forgotten we have just asked: there is no such refund.
            refund = renew_keys(refund) if are_keys_expired(refund) else refund
            made = provider().create_refund(
                intent_id=payment.intent_id or "",
                order_id=payment.order_id,
                refund_id=refund.pk,
                amount=Money(refund.amount_minor, payment.currency),
                key=refund.key(),
            )
    except PaymentUnknown as error:
        _note_unanswered(refund, error)
        raise
    except ProviderRefused as error:
        made = _find(refund, payment)
        if made is None:
            disputed = error.obstacle is Obstacle.DISPUTE
            if disputed:
                _explain_by_dispute(refund, payment)
            code = rules.REFUSED_AS_DISPUTED if disputed else error.provider_code
            refund = fail_refund(refund, code, awaited=awaited)
            if disputed:
                refuse_disputed(load(payment.pk))
            return _answer(refund)
    return _answer(record_refund(refund, made, awaited=awaited))


def _explain_by_dispute(refund: Refund, payment: Payment) -> None:
    """Look for the dispute for which a refund was refused; its webhook may be late or lost.

    Raises: PaymentUnknown where none is open and none was lost: the refund is sent again, under another key.
    """
    if explains_refusal(payment) or refund.attempts >= TRIES_UNEXPLAINED:
        return
    detail = "the refund was refused for a dispute that the provider does not show"
    unknown = PaymentUnknown(detail, operation="refund", key_is_spent=True, order_id=payment.pk)
    _note_unanswered(refund, unknown)
    raise unknown


def _find(refund: Refund, payment: Payment) -> RefundSnapshot | None:
    """Look through the list; one whose id at the provider we know must be there. Raises: PaymentUnknown."""
    listed = provider().iter_refunds(intent_id=payment.intent_id)
    if refund.provider_refund_id is None:
        return next((one for one in listed if one.refund_id == str(refund.pk)), None)
    made = next((one for one in listed if one.provider_refund_id == refund.provider_refund_id), None)
    if made is None:
        raise PaymentUnknown(
            f"the provider does not list its refund {refund.provider_refund_id}", operation="list_refunds"
        )
    return made


def _note_unanswered(refund: Refund, error: PaymentUnknown) -> None:
    note(refund, **unanswered(refund, error))
    log.warning("refund.unanswered", refund_id=str(refund.pk), order_id=str(refund.payment_id), error=error.detail)
