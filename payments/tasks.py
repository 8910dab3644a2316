"""Payments' sweeps: rows that are due, each a question to the provider."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Now

from payments import services
from payments.gateways import ProviderMismatch, ProviderRefused
from payments.models import WAITING, Dispute, Payment, PaymentStatus, Refund, RefundStatus, StrayIntent, WebhookEvent
from payments.services.traces import name_order
from shop import transactions
from shop.clock import now
from shop.errors import Fault
from shop.events import outbox
from shop.models import DueModel
from shop.retention import Pruning, delete_for_a_while
from shop.work.rows import Claimed, DueRows, key_itself
from shop.work.sweeps import sweep
from shop.work.turn import Work, take_turn, told

log = structlog.get_logger(__name__)

# Longer than a row's calls can take; whoever loses the lease does no harm.
LEASE_SECONDS = 30
# While a customer authenticates, poll from backoff step 6 (about 30 s) on.
CUSTOMER_PATIENCE = 6
# While a bank decides, poll from backoff step 13 (about an hour) on, and once a day at the least.
BANK_PATIENCE = 13
BANK_CAP_SECONDS = 86_400
RECONCILE_WINDOW = timedelta(hours=3)
# As long as a provider repeats a webhook: where all of them are lost, this finds the dispute while there is time to answer.
DISPUTE_WINDOW = timedelta(days=3)
# Where the key is another account's, everything is missing: so many tell of it within the task's time.
MOST_MISSING = 20
# What the provider may answer to a question about any row: ask again later, as after a Fault.
NO_ANSWER = (Fault, ProviderMismatch, ProviderRefused)
ORDER_OF_INTENT = "(SELECT order_id FROM payments_payment WHERE intent_id = due.intent_id)"


def _postpone_notices(notice: Claimed[str], error: Exception) -> None:
    services.postpone_notices(intent_id=notice.row, error=told(error), attempts=notice.attempts + 1)


def _due(
    model: type[DueModel], order_id: str, *, read: Callable[[Any], Any] = key_itself, columns: tuple[str, ...] = ()
) -> DueRows[Any]:
    """Return the due rows of a table. Each is worked in the trace of its order, whose id is this in SQL (ADR 32)."""
    trace = outbox.trace_sql(model, order_id)
    return DueRows(model=model, lease_seconds=lambda: LEASE_SECONDS, read=read, columns=columns, trace=trace)


WEBHOOKS = Work(
    sweep="payments.apply_webhooks",
    rows=_due(WebhookEvent, ORDER_OF_INTENT, read=str, columns=("intent_id",)),
    do=lambda intent_id: services.apply_notices(intent_id=intent_id),
    postpone=_postpone_notices,
)


@sweep(every_seconds=5, at_once=2, due=WEBHOOKS.rows.due)
def apply_webhooks() -> int:
    """Apply the webhooks that wait."""
    return services.close_notices() + take_turn(WEBHOOKS)


def _resolve(order_id: UUID) -> bool:
    """Ask how a payment stands; return False where the answer is what was known."""
    version = Payment.objects.values_list("version", flat=True).get(pk=order_id)
    with name_order(order_id):
        services.refresh_payment(order_id=order_id)
    payment = Payment.objects.get(pk=order_id)
    if payment.version != version:
        return True
    if payment.status in WAITING:
        patience = CUSTOMER_PATIENCE if payment.status == PaymentStatus.REQUIRES_ACTION else 0
        Payment.postpone(order_id, error=payment.last_error, attempts=max(payment.attempts + 1, patience))
    else:
        # An unanswered capture or cancel that did not happen: whoever asked for it asks again.
        with transactions.transaction("payments"):
            Payment.objects.filter(pk=order_id, version=version).update(due_at=None, attempts=0)
    return False


UNKNOWN_PAYMENTS = Work(
    sweep="payments.resolve_unknown_payments",
    rows=_due(Payment, "due.order_id"),
    do=_resolve,
    faults=NO_ANSWER,
)


@sweep(every_seconds=5, at_once=2, due=UNKNOWN_PAYMENTS.rows.due)
def resolve_unknown_payments() -> int:
    """Ask how the payments stand whose outcome is not known."""
    return take_turn(UNKNOWN_PAYMENTS)


def _resume(refund_id: UUID) -> bool:
    """Send or ask about a refund; return False where its bank still works on it."""
    refund = Refund.objects.get(pk=refund_id)
    with name_order(refund.payment_id):
        if refund.status != RefundStatus.PENDING:
            services.resume_refund(refund_id=refund_id, awaited=False)
            return True
        if services.ask_about_pending_refund(refund_id=refund_id) != RefundStatus.PENDING:
            return True
    attempts = max(refund.attempts + 1, BANK_PATIENCE)
    Refund.postpone(refund_id, error="", attempts=attempts, cap_seconds=BANK_CAP_SECONDS)
    return False


REFUNDS = Work(
    sweep="payments.resume_refunds",
    rows=_due(Refund, "due.payment_id"),
    do=_resume,
    faults=NO_ANSWER,
)


@sweep(every_seconds=10, due=REFUNDS.rows.due)
def resume_refunds() -> int:
    """Take up again the refunds whose answer did not come, and ask about those on which a bank still works."""
    return take_turn(REFUNDS)


STRAYS = Work(
    sweep="payments.settle_strays",
    rows=_due(StrayIntent, "due.order_id", read=int),
    do=lambda stray_id: services.settle_stray(stray_id=stray_id),
    faults=NO_ANSWER,
)


@sweep(every_seconds=30, due=STRAYS.rows.due)
def settle_strays() -> int:
    """Cancel or refund what the provider holds and no payment of ours stands for."""
    return take_turn(STRAYS)


def _ask_about_dispute(dispute_id: UUID) -> None:
    services.ask_about_dispute(dispute_id=dispute_id)


def _postpone_dispute(dispute: Claimed[UUID], error: Exception) -> None:
    DISPUTES.rows.postpone(dispute, error=told(error), cap_seconds=BANK_CAP_SECONDS)


DISPUTES = Work(
    sweep="payments.ask_about_disputes",
    rows=_due(Dispute, "due.payment_id"),
    do=_ask_about_dispute,
    faults=NO_ANSWER,
    postpone=_postpone_dispute,
)


@sweep(every_seconds=60, due=DISPUTES.rows.due)
def ask_about_disputes() -> int:
    """Ask how the disputes stand that are open, or were a while ago."""
    return take_turn(DISPUTES)


@sweep(every_seconds=3600)
def reconcile_recent() -> int:
    """Reconcile the last hours with the provider's list; see that every refund under way is asked about, and what is owed."""
    services.wake_pending_refunds()
    services.note_forgotten()
    try:
        report = services.reconcile_payments(
            since=now() - RECONCILE_WINDOW, most_missing=MOST_MISSING, disputes_since=now() - DISPUTE_WINDOW
        )
    except Fault as error:
        log.warning("payment.not_reconciled", error=str(error))
        return 0
    return len(report.repaired) + len(report.strays)


@sweep(every_seconds=3600)
def prune_webhooks() -> int:
    """Delete the notices that were applied so long ago that the history is deleted too; return how many went.

    They are part of an order's story. Without a retention none goes. A provider repeats a notice for days, and one
    whose signature is older than minutes is refused anyway.
    """
    if not (kept := timedelta(days=settings.HISTORY_RETENTION_DAYS)):
        return 0
    applied = WebhookEvent.objects.filter(applied_at__lt=Now() - kept)
    return delete_for_a_while(Pruning("payments", applied, age="received_at", kept=kept))
