"""Brings our refunds to what the provider lists, also those that were made in its dashboard and never asked for here."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from payments.gateways import RefundSnapshot, provider
from payments.models import PAID, Payment, Refund, RefundStatus
from payments.services.record_refund import known_status, record_refund
from payments.services.recording import load
from payments.services.refund import RefundExceedsCapture, RefundInOtherCurrency, reserve_refund
from shop.ids import derived_id

log = structlog.get_logger(__name__)


def sync_refunds(payment: Payment) -> Payment:
    """Bring our refunds to what the provider lists for this payment, also those that were made in its dashboard."""
    for made in sort_failed_first(provider().iter_refunds(intent_id=payment.intent_id)):
        sync_refund(payment, made)
    return load(payment.order_id)


def sort_failed_first(listed: Iterable[RefundSnapshot]) -> list[RefundSnapshot]:
    """Put the refunds that failed first: what they free may be what another one needs to be adopted."""
    return sorted(listed, key=lambda made: made.status != RefundStatus.FAILED)


def sync_refund(payment: Payment, made: RefundSnapshot) -> bool:
    """Record one listed refund; say whether that changed anything here."""
    # In this order: whoever records the answer in between is seen by the second look.
    named = Refund.objects.filter(pk=made.refund_id, payment_id=payment.pk).first() if made.refund_id else None
    refund = Refund.objects.filter(provider_refund_id=made.provider_refund_id).first()
    if refund is None and named is not None and named.status == RefundStatus.REQUESTED:
        refund = named
    if refund is None:
        # Also one that carries the name of a refund that has its answer: it was carried out once more.
        return _adopt(payment, made)
    return record_refund(refund, made).status != refund.status


def _adopt(payment: Payment, made: RefundSnapshot) -> bool:
    """Write down a refund that was not asked for here. One that failed, or released an uncaptured hold, is none."""
    if known_status(made) == RefundStatus.FAILED or payment.status not in PAID:
        return False
    refund_id = derived_id("provider refund", made.provider_refund_id)
    try:
        refund = reserve_refund(
            payment.order_id,
            refund_id,
            made.amount,
            "made_at_provider",
            provider_refund_id=made.provider_refund_id,
        )
    except (RefundExceedsCapture, RefundInOtherCurrency) as error:
        log.error(  # noqa: TRY400  a fact about the books, not a bug
            "refund.not_adopted",
            order_id=str(payment.pk),
            provider_refund_id=made.provider_refund_id,
            amount_minor=made.amount.minor,
            error=error.detail,
        )
        return False
    if refund is None:
        return False
    log.warning("refund.adopted", refund_id=str(refund_id), order_id=str(payment.pk), amount_minor=made.amount.minor)
    record_refund(refund, made)
    return True
