"""Stray intents: money, or a chance to take some, at the provider that no payment of ours stands for.

They come from a worker that died between creating an intent and storing its id, from a capture somebody else made, or
from a database that was restored. Each is written down first, then canceled or refunded, and shown to a human.
Only intents that carry an order's id are looked at: an account may serve other systems too.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models.functions import Now

from payments.events import StrayMoneyFound
from payments.gateways import IntentSnapshot, ProviderRefused, provider
from payments.models import StrayIntent, StrayReason
from payments.rules import IntentStatus
from payments.services.traces import name_order
from shop import transactions
from shop.errors import Fault
from shop.events.publishing import publish
from shop.ids import derived_id
from shop.work.background import wake

log = structlog.get_logger(__name__)


def abandon_intent(*, order_id: UUID, intent: IntentSnapshot) -> None:
    """Cancel an unconfirmed intent that lost the race to be its order's; where that fails, leave it to the sweep."""
    try:
        provider().cancel_intent(intent_id=intent.intent_id, key=_key(intent.intent_id, "cancel"))
    except (Fault, ProviderRefused) as error:
        log.warning("payment.intent_not_abandoned", order_id=str(order_id), error=str(error))
        report_stray(intent=intent, reason=StrayReason.SECOND_INTENT)


def report_stray(*, intent: IntentSnapshot, reason: StrayReason) -> bool:
    """Write a stray intent down, to be settled by the sweep; say whether it is news."""
    order_id = UUID(intent.order_id)
    with transactions.transaction("payments"):
        stray, found = StrayIntent.objects.get_or_create(
            intent_id=intent.intent_id,
            defaults={
                "order_id": order_id,
                "reason": reason,
                "amount_minor": intent.amount.minor,
                "currency": intent.amount.currency,
            },
        )
        if not found and stray.settled_at is None:
            return False
        StrayIntent.objects.filter(pk=stray.pk).update(due_at=Now(), settled_at=None)
        if found:
            event = StrayMoneyFound(
                order_id=order_id, intent_id=intent.intent_id, reason=str(reason), amount=intent.amount
            )
            aggregate_id = derived_id("stray intent", intent.intent_id)
            publish(event, aggregate_id=aggregate_id, aggregate_version=1)
        wake("payments.settle_strays", context="payments")
    log.error(
        "payment.stray_found",
        order_id=str(order_id),
        intent_id=intent.intent_id,
        reason=str(reason),
        amount_minor=intent.amount.minor,
    )
    return True


def settle_stray(*, stray_id: int) -> str:
    """Ask how a stray intent stands, cancel or refund it, and return what was done.

    Raises: PaymentUnknown, PaymentProviderUnavailable: call again.
    """
    stray = StrayIntent.objects.get(pk=stray_id)
    with name_order(stray.order_id):
        outcome = _settle_at_provider(stray)
    with transactions.transaction("payments"):
        StrayIntent.objects.filter(pk=stray.pk).update(due_at=None, settled_at=Now(), outcome=outcome, last_error="")
    log.warning("payment.stray_settled", order_id=str(stray.order_id), intent_id=stray.intent_id, outcome=outcome)
    return outcome


def _settle_at_provider(stray: StrayIntent) -> str:
    intent = provider().retrieve_intent(intent_id=stray.intent_id)
    if intent.status == IntentStatus.CAPTURED:
        left = intent.captured - intent.refunded
        if left.minor:
            provider().create_refund(
                intent_id=stray.intent_id,
                order_id=stray.order_id,
                refund_id=derived_id("stray intent", stray.intent_id, left.minor),
                amount=left,
                key=_key(stray.intent_id, f"refund:{left.minor}:{stray.attempts}"),
            )
        return "refunded"
    if intent.status != IntentStatus.CANCELED:
        provider().cancel_intent(intent_id=stray.intent_id, key=_key(stray.intent_id, f"cancel:{stray.attempts}"))
    return "canceled"


def _key(intent_id: str, op: str) -> str:
    return f"stray:{intent_id}:{op}"
