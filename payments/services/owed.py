"""What is owed to a customer: money that was on its way back and did not arrive. A human makes good for it.

A refund that its bank returned, perhaps days later, or that was refused when nobody waited for the answer any more, adds
to what its payment owes. Every refund that goes out makes good for that first; what staff have paid by another way, a
bank transfer say, is recorded here. What a lost dispute took, the customer has got: that much is covered, not owed, and
owed again where an appeal brings it back.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models import F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Least

from payments.events import PaymentSettledOtherwise
from payments.models import Payment, PaymentStatus, Refund, RefundStatus
from payments.queries import PaymentState, to_state
from payments.services.recording import load
from shop import transactions
from shop.errors import Refusal
from shop.events.publishing import publish
from shop.money import Money

log = structlog.get_logger(__name__)


class NothingOwed(Refusal):
    """No refund of this payment came back, or it was made good for already."""

    code = "nothing_owed"
    title = "Nothing is owed to the customer for this payment"


def note_owed(payment_id: UUID, *, minor: int) -> None:
    """Add a refund that failed to what is owed, in the caller's transaction, once it no longer counts as given back."""
    transactions.require("payments")
    promised = Least(_promised() + minor, _not_given_back())
    Payment.objects.filter(pk=payment_id).update(**_owed_of(promised, kept=_kept()))


def balance_owed(payment_id: UUID) -> None:
    """Owe what is promised and kept, in the caller's transaction, once what lost disputes took has changed."""
    transactions.require("payments")
    payment = Payment.objects.filter(Q(owed_minor__gt=0) | Q(covered_minor__gt=0), pk=payment_id)
    payment.update(**_owed_of(_promised(), kept=_kept()))


def owe_what_comes_back(*, order_id: UUID) -> None:
    """Owe what disputes took of an order that has ended, once an appeal brings it back. Idempotent.

    Call it when all that was left has gone back: the whole rest is promised to the customer then.
    """
    with transactions.transaction("payments"):
        Payment.objects.filter(pk=order_id).update(**_owed_of(_not_given_back(), kept=_kept()))


def less_owed(minor: int) -> dict[str, Combinable]:
    """Return what is still owed and covered after a refund of `minor`, as columns for an update of the payment's row."""
    return _owed_of(Greatest(_promised() - minor, Value(0)), kept=_kept(minor))


def _owed_of(promised: Combinable, *, kept: Combinable) -> dict[str, Combinable]:
    return {"owed_minor": Least(promised, kept), "covered_minor": Greatest(promised - kept, Value(0))}


def _promised() -> Combinable:
    return F("owed_minor") + F("covered_minor")


def _not_given_back() -> Combinable:
    """Return what of the capture we have not given back, whether a dispute took it or not."""
    return F("captured_minor") - F("refunded_minor") - F("settled_minor")


def _kept(refunding: int = 0) -> Combinable:
    """Return what we still have of the capture after a refund of `refunding`."""
    return Greatest(_not_given_back() - F("lost_minor") - refunding, Value(0))


def settle_owed(*, order_id: UUID) -> PaymentState:
    """Record that staff have paid what is owed by another way than a refund; it is never refunded afterwards.

    Raises: NothingOwed, also where a refund under way makes good for it.
    """
    with transactions.transaction("payments"):
        payment = Payment.objects.select_for_update().filter(pk=order_id).first()
        if payment is None or not payment.owed_minor or payment.refundable.minor < payment.owed_minor:
            raise NothingOwed(order_id=order_id)
        amount = Money(payment.owed_minor, payment.currency)
        Payment.objects.filter(pk=order_id).update(owed_minor=0, settled_minor=F("settled_minor") + amount.minor)
        event = PaymentSettledOtherwise(order_id=order_id, amount=amount)
        publish(event, aggregate_id=order_id, aggregate_version=payment.version)
    log.info("payment.settled_otherwise", order_id=str(order_id), amount_minor=amount.minor)
    return to_state(load(order_id))


def note_forgotten() -> int:
    """Note what is owed where a release that did not keep it recorded the failure; return for how many payments."""
    gone = F("refunded_minor") + F("refund_reserved_minor") + F("settled_minor") + F("lost_minor")
    kept = F("captured_minor") - gone
    with transactions.transaction("payments"):
        failed = Refund.objects.filter(status=RefundStatus.FAILED).values("payment_id")
        short = Payment.objects.filter(pk__in=failed, status=PaymentStatus.REFUNDED).alias(kept=kept)
        return short.filter(kept__gt=F("owed_minor")).update(owed_minor=kept)
