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
from payments.models import Payment, PaymentStatus, Refund, RefundStatus, StrayIntent, WebhookEvent
from payments.queries import WAITING
from shop import transactions
from shop.background import sweep
from shop.clock import now
from shop.errors import Fault, Refusal
from shop.retention import delete_for_a_while

log = structlog.get_logger(__name__)

LIMIT = 50
# Longer than a row's calls can take; whoever loses the lease does no harm.
LEASE_SECONDS = 30
# A customer who authenticates is asked for from the sixth step of the backoff on: after half a minute, then rarer.
CUSTOMER_PATIENCE = 6
# A bank is asked for from the thirteenth step on: after an hour, then rarer, and once a day in the end.
BANK_PATIENCE = 13
BANK_CAP_SECONDS = 86_400
RECONCILE_WINDOW = timedelta(hours=3)


@sweep(every_seconds=5)
def apply_webhooks() -> int:
    """Apply the webhooks that wait."""
    return services.apply_webhook_events(ids=WebhookEvent.claim_due(limit=LIMIT, lease_seconds=LEASE_SECONDS))


@sweep(every_seconds=5)
def resolve_unknown_payments() -> int:
    """Ask how the payments stand whose outcome is not known."""
    return sum(_resolve(order_id) for order_id in Payment.claim_due(limit=LIMIT, lease_seconds=LEASE_SECONDS))


def _resolve(order_id: UUID) -> int:
    payment = Payment.objects.get(pk=order_id)
    version = payment.version
    try:
        services.refresh_payment(order_id=order_id)
    except (Fault, ProviderMismatch, ProviderRefused) as error:
        Payment.postpone(order_id, error=str(error), attempts=payment.attempts + 1)
        log.warning("payment.unresolved", order_id=str(order_id), attempts=payment.attempts + 1, error=str(error))
        return 0
    except Exception as error:  # a bug, or a row that is spoiled: it keeps no other from its turn
        log.exception("payment.not_resolved", order_id=str(order_id))
        Payment.postpone(order_id, error=repr(error), attempts=payment.attempts + 1)
        return 0
    payment = Payment.objects.get(pk=order_id)
    if payment.version != version:
        return 1
    if payment.status in WAITING:
        patience = CUSTOMER_PATIENCE if payment.status == PaymentStatus.REQUIRES_ACTION else 0
        Payment.postpone(order_id, error=payment.last_error, attempts=max(payment.attempts + 1, patience))
    else:
        # An unanswered capture or cancel that did not happen: whoever asked for it asks again.
        with transactions.transaction("payments"):
            Payment.objects.filter(pk=order_id, version=version).update(due_at=None, attempts=0)
    return 0


@sweep(every_seconds=10)
def resume_refunds() -> int:
    """Take up again the refunds whose answer did not come, and ask about those on which a bank still works."""
    return _each(Refund, Refund.claim_due(limit=LIMIT, lease_seconds=LEASE_SECONDS), _resume)


def _resume(refund_id: UUID) -> int:
    refund = Refund.objects.get(pk=refund_id)
    if refund.status != RefundStatus.PENDING:
        services.resume_refund(refund_id=refund_id)
        return 1
    if services.ask_about_pending_refund(refund_id=refund_id) != RefundStatus.PENDING:
        return 1
    attempts = max(refund.attempts + 1, BANK_PATIENCE)
    Refund.postpone(refund_id, error="", attempts=attempts, cap_seconds=BANK_CAP_SECONDS)
    return 0


@sweep(every_seconds=30)
def settle_strays() -> int:
    """Cancel or refund what the provider holds and no payment of ours stands for."""
    due = StrayIntent.claim_due(limit=LIMIT, lease_seconds=LEASE_SECONDS)
    return _each(StrayIntent, due, _settle)


def _settle(stray_id: int) -> int:
    services.settle_stray(stray_id=stray_id)
    return 1


@sweep(every_seconds=3600)
def reconcile_recent() -> int:
    """Reconcile the last hours with the provider's list; see that every refund under way is asked about."""
    services.wake_pending_refunds()
    try:
        report = services.reconcile_payments(since=now() - RECONCILE_WINDOW)
    except Fault as error:
        log.warning("payment.not_reconciled", error=str(error))
        return 0
    return len(report.repaired) + len(report.strays)


@sweep(every_seconds=3600)
def prune_webhooks() -> int:
    """Delete the notices that were applied so long ago that events are deleted too; return how many went.

    Stripe repeats a notice for three days, and one whose signature is older than minutes is refused anyway.
    """
    kept = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    return delete_for_a_while("payments", WebhookEvent.objects.filter(applied_at__lt=Now() - kept))


def _each(model: type[Refund | StrayIntent], due: list[Any], settle: Callable[[Any], int]) -> int:
    """Settle each claimed row and return how many were; one that fails waits by itself and keeps no other from its turn."""
    done = 0
    for pk in due:
        try:
            done += settle(pk)
        except Refusal as refusal:
            log.warning("payment.work_refused", model=model.__name__, pk=str(pk), code=refusal.code)
            done += 1
        except (Fault, ProviderMismatch, ProviderRefused) as error:
            row = model._default_manager.get(pk=pk)
            model.postpone(pk, error=str(error), attempts=row.attempts + 1)
        except Exception as error:  # a bug, or a row that is spoiled: it keeps no other from its turn
            log.exception("payment.work_broke_off", model=model.__name__, pk=str(pk))
            row = model._default_manager.get(pk=pk)
            model.postpone(pk, error=repr(error), attempts=row.attempts + 1)
    return done
