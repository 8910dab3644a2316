"""Webhooks: keep the verified notice and answer; then, outside the request, ask how its intent really stands.

A notice is only a reason to ask. So it may be late, doubled or out of order, and what it says about the money is never
read. Notices that can't teach us anything any more are closed without a call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Now

from payments import rules
from payments.gateways import (
    IntentSnapshot,
    InvalidWebhook,
    ProviderMismatch,
    ProviderRefused,
    is_live,
    provider,
    read_notice,
)
from payments.models import Payment, StrayReason, WebhookEvent
from payments.services.recording import record_intent
from payments.services.refund import sync_refunds
from payments.services.resolving import refresh_payment
from payments.services.strays import report_stray
from shop import transactions
from shop.background import wake
from shop.errors import Fault

log = structlog.get_logger(__name__)


def receive_webhook(*, body: bytes, signature: str) -> bool:
    """Verify a raw request body and keep its notice; say whether it is one that we act on.

    Idempotent by the event's id; when this returns, the notice is durable. Raises: InvalidWebhook.
    """
    notice = read_notice(body=body, signature=signature, secrets=settings.STRIPE_WEBHOOK_SECRETS)
    if notice.livemode != is_live():
        raise InvalidWebhook(f"a {'live' if notice.livemode else 'test'} event, which is not this shop's mode")
    if notice.type not in rules.NOTICES or not notice.intent_id:
        return False
    event = WebhookEvent(event_id=notice.event_id, type=notice.type, intent_id=notice.intent_id)
    with transactions.transaction("payments"):
        event.due_at = Now()
        WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)
        wake("payments.apply_webhooks", context="payments")
    return True


def apply_webhook_events(*, ids: Sequence[int]) -> int:
    """Apply kept notices, one question to the provider for all of one intent; return how many were applied."""
    transactions.forbid()
    by_intent: defaultdict[str, list[WebhookEvent]] = defaultdict(list)
    for event in WebhookEvent.objects.filter(pk__in=ids, applied_at=None).order_by("pk"):
        by_intent[event.intent_id].append(event)
    return sum(_apply(intent_id, events) for intent_id, events in by_intent.items())


def _apply(intent_id: str, events: list[WebhookEvent]) -> int:
    """Apply the notices of one intent; whatever keeps them from being applied keeps no other's from its turn."""
    try:
        outcome = _ask_about(intent_id, {event.type for event in events})
    except Fault as error:
        return _postpone(events, str(error))
    except ProviderMismatch:
        outcome = "mismatch"
    except ProviderRefused as error:
        log.warning("webhook.unknown_intent", intent_id=intent_id, error=error.detail)
        outcome = "no_such_intent"
    except Exception as error:  # a bug, or a row that is spoiled
        log.exception("webhook.not_applied", intent_id=intent_id)
        return _postpone(events, repr(error))
    with transactions.transaction("payments"):
        WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).update(
            applied_at=Now(), due_at=None, outcome=outcome, last_error=""
        )
    return len(events)


def _postpone(events: list[WebhookEvent], error: str) -> int:
    for event in events:
        WebhookEvent.postpone(event.pk, error=error, attempts=event.attempts + 1)
    return 0


def _ask_about(intent_id: str, types: Iterable[str]) -> str:
    payment = Payment.objects.filter(intent_id=intent_id).first()
    if payment is None:
        return settle_unmatched(provider().retrieve_intent(intent_id=intent_id))
    if not any(rules.teaches(notice=notice, status=str(payment.status)) for notice in types):
        return "nothing_new"
    before = payment.version
    refresh_payment(order_id=payment.order_id)
    if rules.REFUND_NOTICES & set(types):
        sync_refunds(payment)
    return "recorded" if Payment.objects.get(pk=payment.pk).version != before else "nothing_new"


def settle_unmatched(intent: IntentSnapshot) -> str:
    """Decide about a freshly retrieved intent whose id no payment holds; return what was decided.

    One that carries no order's id belongs to another system and is left alone.
    """
    try:
        order_id = UUID(intent.order_id)
    except ValueError:
        return "not_ours"
    payment = Payment.objects.filter(pk=order_id).first()
    if intent.status == "canceled" or (intent.status == "succeeded" and intent.captured == intent.refunded):
        return "holds_nothing"
    if payment is not None and payment.intent_id is None and payment.status == "NEW":
        return "not_submitted_yet"
    if payment is not None and payment.intent_id == intent.intent_id:
        record_intent(payment, intent)
        return "recorded"
    report_stray(intent=intent, reason=StrayReason.SECOND_INTENT if payment else StrayReason.UNKNOWN_ORDER)
    return "stray"
