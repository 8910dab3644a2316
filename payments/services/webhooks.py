"""Webhooks: keep the verified notice and answer; then, outside the request, ask how its intent really stands.

A notice is only a reason to ask. So it may be late, doubled or out of order, and what it says about the money is never
read. A notice that can't teach us anything any more is closed as it is kept, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import structlog
from django.db.models.functions import Now

from payments.gateways import (
    IntentSnapshot,
    InvalidWebhook,
    ProviderMismatch,
    ProviderRefused,
    provider,
)
from payments.models import KNOWN_IN, UNDER_WAY_IN, Payment, PaymentStatus, StrayReason, WebhookEvent
from payments.rules import IntentStatus, NoticeKind
from payments.services.adopt_refunds import sync_refunds
from payments.services.disputes import sync_disputes
from payments.services.recording import record_intent
from payments.services.resolving import refresh_payment
from payments.services.strays import report_stray
from payments.services.traces import name_order
from shop import transactions
from shop.actors import acting
from shop.ids import read_id
from shop.resilience.retry import backoff_seconds
from shop.statements import Statement, names
from shop.work.background import wake

log = structlog.get_logger(__name__)

KEEP_NOTICE = Statement("payments", "keep_notice")
CLOSE_NOTICES = Statement("payments", "close_notices")
# A call of ours that has begun is given this long to record what a notice of it would teach.
PATIENCE_SECONDS = 2
MOST_CLOSED = 1000


def receive_webhook(*, body: bytes, headers: Mapping[str, str]) -> bool:
    """Verify a raw request body and keep its notice; return whether it is one that we act on.

    Idempotent by the event's id; when this returns, the notice is durable. Raises: InvalidWebhook.
    """
    notice = provider().read_notice(body=body, headers=headers)
    if notice.livemode != provider().is_live:
        raise InvalidWebhook(f"a {'live' if notice.livemode else 'test'} event, which is not this shop's mode")
    if notice.kind is None or not notice.intent_id:
        return False
    with transactions.single("payments"):
        # One that is due now waits for the disk; of the others we know, or will have asked, without it.
        kept = KEEP_NOTICE.one(
            asynchronous=True,
            event_id=notice.event_id,
            type=notice.type,
            intent_id=notice.intent_id,
            known=names(KNOWN_IN.get(notice.kind, ())),
            under_way=names(UNDER_WAY_IN.get(notice.kind, ())),
            patience_seconds=PATIENCE_SECONDS,
        )
        if kept is not None and kept[0]:
            wake("payments.apply_webhooks", context="payments")
    return True


def close_notices() -> int:
    """Close the due notices that can teach nothing any more, in one statement; return how many were closed."""
    types = provider().notice_types.items()
    pairs = [(name, str(status)) for name, kind in types for status in KNOWN_IN.get(kind, ())]
    names_of, known = [name for name, _status in pairs], [status for _name, status in pairs]
    with transactions.single("payments"):
        closed = CLOSE_NOTICES.run(types=names_of, known=known, most=MOST_CLOSED)
    return len(closed)


def apply_notices(*, intent_id: str) -> int:
    """Apply all kept notices of one intent with one question to the provider; return how many were applied.

    Raises: PaymentUnknown, PaymentProviderUnavailable: `postpone_notices`, then call again.
    """
    transactions.forbid()
    waiting = WebhookEvent.objects.filter(intent_id=intent_id, applied_at=None)
    kept = {pk: (kind, event_id) for pk, kind, event_id in waiting.order_by("pk").values_list("pk", "type", "event_id")}
    if not kept:
        return 0
    try:
        with acting(f"provider {next(event_id for _kind, event_id in kept.values())}"):
            outcome = _ask_about(intent_id, {kind for kind, _event_id in kept.values()})
    except ProviderMismatch:
        outcome = "mismatch"
    except ProviderRefused as error:
        log.warning("webhook.unknown_intent", intent_id=intent_id, error=error.detail)
        outcome = "no_such_intent"
    with transactions.transaction("payments"):
        WebhookEvent.objects.filter(pk__in=list(kept)).update(
            applied_at=Now(), due_at=None, outcome=outcome, last_error=""
        )
    return len(kept)


def postpone_notices(*, intent_id: str, error: str, attempts: int) -> None:
    """Note failed attempt number `attempts` at the notices of one intent, which are tried again together."""
    wait = timedelta(seconds=backoff_seconds(attempts))
    with transactions.transaction("payments"):
        WebhookEvent.objects.filter(intent_id=intent_id, due_at__isnull=False).update(
            due_at=Now() + wait, attempts=attempts, last_error=error[-4000:]
        )


def _ask_about(intent_id: str, types: Iterable[str]) -> str:
    kinds = {provider().notice_types.get(name) for name in types}
    payment = Payment.objects.filter(intent_id=intent_id).first()
    if payment is None:
        return settle_unmatched(provider().retrieve_intent(intent_id=intent_id))
    if all(payment.status in KNOWN_IN.get(kind, ()) for kind in kinds):
        return "nothing_new"  # recorded since the notices were claimed
    before = payment.version
    with name_order(payment.order_id):
        refresh_payment(order_id=payment.order_id)
        if NoticeKind.REFUND in kinds:
            sync_refunds(payment)
        disputed = NoticeKind.DISPUTE in kinds and sync_disputes(payment)
    moved = Payment.objects.get(pk=payment.pk).version != before
    return "recorded" if moved or disputed else "nothing_new"


def settle_unmatched(intent: IntentSnapshot) -> str:
    """Decide about a freshly retrieved intent whose id no payment holds; return what was decided.

    One that carries no order's id belongs to another system and is left alone.
    """
    if (order_id := read_id(intent.order_id)) is None:
        return "not_ours"
    payment = Payment.objects.filter(pk=order_id).first()
    if intent.status == IntentStatus.CANCELED or (
        intent.status == IntentStatus.CAPTURED and intent.captured == intent.refunded
    ):
        return "holds_nothing"
    if payment is not None and payment.intent_id is None and payment.status == PaymentStatus.NEW:
        return "not_submitted_yet"
    if payment is not None and payment.intent_id == intent.intent_id:
        record_intent(payment, intent)
        return "recorded"
    report_stray(intent=intent, reason=StrayReason.SECOND_INTENT if payment else StrayReason.UNKNOWN_ORDER)
    return "stray"
