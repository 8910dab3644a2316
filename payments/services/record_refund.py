"""Records what the provider shows of a refund, with its payment's totals and status, in one transaction.

Every transaction here locks the payment's row before the refund's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import F
from django.db.models.functions import Now

from payments.events import PaymentRefunded, RefundFailed, RefundPending, RefundSucceeded
from payments.gateways import RefundSnapshot
from payments.models import GIVEN_BACK, NOT_FAILED, REFUND_UNDER_WAY, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.owed import less_owed, note_owed
from shop import transactions
from shop.events.publishing import publish
from shop.money import Money
from shop.states import change_status

log = structlog.get_logger(__name__)

# A bank takes its time, days even; its webhook is usually there before we ask.
ASK_THE_BANK_AGAIN = timedelta(hours=1)


def known_status(made: RefundSnapshot) -> RefundStatus:
    """Return the status that the provider shows. Raises: ValueError for one that is not known here."""
    if made.status is None:
        raise ValueError(f"refund {made.provider_refund_id} is {made.provider_status}, which is not known here")
    return made.status


def record_refund(refund: Refund, made: RefundSnapshot, *, awaited: bool = False) -> Refund:
    """Record what the provider shows of a refund, with the payment's totals and status, in one transaction."""
    to = known_status(made)
    if to == refund.status:
        return refund
    if to == RefundStatus.FAILED:
        return fail_refund(refund, made.failure_code, awaited=awaited)
    if made.amount.minor != refund.amount_minor:
        raise ValueError(f"refund {refund.pk} is {made.amount} at the provider, {refund.amount_minor} here")
    amount = made.amount
    due_at = Now() + ASK_THE_BANK_AGAIN if to == RefundStatus.PENDING else None
    told = RefundPending if to == RefundStatus.PENDING else RefundSucceeded
    event = told(refund_id=refund.pk, order_id=refund.payment_id, amount=amount)
    expected = [RefundStatus.REQUESTED] if to == RefundStatus.PENDING else REFUND_UNDER_WAY
    with transactions.transaction("payments"):
        payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
        counted = Refund.objects.filter(pk=refund.pk, status__in=GIVEN_BACK).exists()
        moved = change_status(
            Refund,
            refund.pk,
            expected=expected,
            event=event,
            changed_at=Now(),
            due_at=due_at,
            attempts=0,
            last_error="",
            provider_refund_id=made.provider_refund_id,
        )
        if moved is not None and not counted:
            _count_given_back(payment, refund, amount, refund_version=moved)
    return Refund.objects.get(pk=refund.pk)


def _count_given_back(payment: Payment, refund: Refund, amount: Money, *, refund_version: int) -> None:
    """Move the amount of a refund from set aside to given back, and tell it once; the payment's row is locked."""
    total = Money(payment.refunded_minor, payment.currency) + amount
    full = total.minor + payment.settled_minor + payment.lost_minor == payment.captured_minor
    again = payment.status == PaymentStatus.REFUNDED
    # By an appeal, after the order's end told of all that went back.
    returned = bool(payment.owed_minor and payment.dispute_status)
    event = PaymentRefunded(
        order_id=payment.pk, refund_id=refund.pk, amount=amount, total=total, full=full, again=again or returned
    )
    columns: dict[str, Any] = {
        "refunded_minor": F("refunded_minor") + amount.minor,
        "refund_reserved_minor": F("refund_reserved_minor") - amount.minor,
        **less_owed(amount.minor),
    }
    if again:
        # The status is final, so no move carries this fact.
        Payment.objects.filter(pk=payment.pk).update(**columns)
        publish(event, aggregate_id=refund.pk, aggregate_version=refund_version)
    else:
        change_status(
            Payment,
            payment.pk,
            expected=[PaymentStatus(payment.status)],
            event=event,
            changed_at=Now(),
            **columns,
        )
    log.info("payment.refunded", order_id=str(payment.pk), amount_minor=amount.minor, full=full, again=again)


def fail_refund(refund: Refund, code: str, *, awaited: bool = False) -> Refund:
    """Record that the money did not go back. A payment that was REFUNDED stays so; its total tells the truth.

    What had counted as given back is owed from now on, and so is what nobody waits for any more.
    """
    with transactions.transaction("payments"):
        payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
        standing = Refund.objects.get(pk=refund.pk)
        amount, returned = Money(standing.amount_minor, payment.currency), standing.status in GIVEN_BACK
        moved = change_status(
            Refund,
            refund.pk,
            expected=NOT_FAILED,
            event=RefundFailed(refund_id=refund.pk, order_id=payment.pk, amount=amount, reason=code, returned=returned),
            changed_at=Now(),
            due_at=None,
            failure_code=code,
        )
        if moved is not None:
            column = "refunded_minor" if returned else "refund_reserved_minor"
            Payment.objects.filter(pk=payment.pk).update(**{column: F(column) - amount.minor})
            if returned or not awaited:
                note_owed(payment.pk, minor=amount.minor)
            log.error("refund.failed", refund_id=str(refund.pk), order_id=str(payment.pk), code=code)
    return Refund.objects.get(pk=refund.pk)
