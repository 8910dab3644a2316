"""Reconciliation: go through the provider's own list, bring our rows to it, and find money that is in neither book.

The list may be a moment old, and so may our rows: whatever differs is asked for once more before anything is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import structlog
from django.db.models.functions import Now

from payments.gateways import DisputeSnapshot, IntentSnapshot, ProviderMismatch, RefundSnapshot, provider
from payments.models import MOVES, Payment, PaymentStatus, Refund, RefundStatus
from payments.rules import IntentStatus
from payments.services.adopt_refunds import sort_failed_first, sync_refund
from payments.services.dispute_books import iter_dispute_differences, iter_disputes_of_ours
from payments.services.disputes import find_dispute_difference, sync_disputes
from payments.services.listed import CLOCK_SKEW, Booked, find_booked, is_ours, match_booked
from payments.services.missing import WayBack, iter_missing
from payments.services.recording import check_is_ours
from payments.services.resolving import refresh_payment
from payments.services.traces import in_trace_of
from payments.services.webhooks import settle_unmatched
from shop import transactions
from shop.errors import Fault
from shop.ids import read_id
from shop.money import Money

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One intent on which the provider's book and ours do not agree; `order_id` as the provider has it."""

    order_id: str
    intent_id: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class ReconciliationReport:
    """What a reconciliation went through and did. `unresolved` needs a human, or another run."""

    since: datetime
    intents: int
    refunds: int
    repaired: tuple[str, ...]
    strays: tuple[str, ...]
    unresolved: tuple[Difference, ...]
    disputes: int = 0


@dataclass(kw_only=True)
class _Run:
    """A reconciliation under way."""

    intents: int = 0
    refunds: int = 0
    disputes: int = 0
    repaired: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    unresolved: list[Difference] = field(default_factory=list)


def reconcile_payments(
    *, since: datetime, most_missing: int | None = None, disputes_since: datetime | None = None
) -> ReconciliationReport:
    """Compare every intent, refund and dispute made at the provider since then with our rows, and back; repair what differs.

    `disputes_since`: how far back disputes are listed, where that is not `since`. `most_missing`: name so many
    payments at most that the provider has never heard of; each costs a call.
    Repairs are the same compare-and-set records as everywhere; money that no payment stands for is given back.
    Raises: PaymentUnknown, PaymentProviderUnavailable: what was repaired until then stays repaired.
    """
    transactions.forbid()
    run = _Run()
    for intent, booked in match_booked(provider().iter_intents(since=since - CLOCK_SKEW)):
        run.intents += 1
        if find_difference(booked, intent):
            _repair(run, intent)
    for refund in sort_failed_first(provider().iter_refunds(since=since - CLOCK_SKEW, concerns=is_ours)):
        run.refunds += 1
        _sync(run, refund)
    for payment, seen in iter_disputes_of_ours(since=(disputes_since or since) - CLOCK_SKEW):
        run.disputes += 1
        _sync_dispute(run, payment, seen)
    for payment, detail in islice(iter_missing(since=since), most_missing):
        # Nothing repairs this: the key is another account's, or the provider's book is not the one that we were paid into.
        log.error("payment.not_at_provider", order_id=str(payment.pk), intent_id=payment.intent_id, detail=detail)
        run.unresolved.append(_difference(payment, detail))
    found = run.repaired or run.strays or run.unresolved
    (log.info if found else log.debug)(
        "payment.reconciled",
        intents=run.intents,
        refunds=run.refunds,
        disputes=run.disputes,
        repaired=len(run.repaired),
        strays=len(run.strays),
        unresolved=len(run.unresolved),
    )
    return ReconciliationReport(
        since=since,
        intents=run.intents,
        refunds=run.refunds,
        repaired=tuple(run.repaired),
        strays=tuple(run.strays),
        unresolved=tuple(run.unresolved),
        disputes=run.disputes,
    )


def wake_pending_refunds() -> int:
    """Make PENDING refunds without a due_at due now; an earlier release recorded them without one."""
    with transactions.transaction("payments"):
        return Refund.objects.filter(status=RefundStatus.PENDING, due_at=None).update(due_at=Now())


def find_differences(
    *, since: datetime, note: Callable[[IntentSnapshot, Booked | None], object] = lambda _intent, _booked: None
) -> Iterator[Difference]:
    """Yield what a reconciliation would repair or name, in both books, without repairing it. Raises: as that.

    `note` is called with each intent that the provider lists and our payment by it.
    """
    way_back = WayBack(since=since)
    for intent, booked in match_booked(provider().iter_intents(since=since - CLOCK_SKEW)):
        note(intent, booked)
        way_back.note(booked)
        if find_difference(booked, intent):
            yield from _confirm(intent)
    for payment, detail in way_back.iter_missing():
        yield _difference(payment, detail)
    for payment, detail in iter_dispute_differences(since=since - CLOCK_SKEW):
        yield _difference(payment, detail)


def _difference(payment: Payment, detail: str) -> Difference:
    return Difference(order_id=str(payment.pk), intent_id=payment.intent_id or "no intent", detail=detail)


def find_difference(booked: Booked | None, intent: IntentSnapshot) -> str:
    """Say in what the provider's intent and our payment do not agree to the cent; "" where they do."""
    if booked is None:
        held = intent.status == IntentStatus.AUTHORIZED or intent.captured.minor > intent.refunded.minor
        told = f"{intent.status} at the provider ({intent.amount}), no payment here"
        return told if held and read_id(intent.order_id) else ""
    if booked.captured_minor != intent.captured.minor:
        return f"captured {Money(booked.captured_minor, booked.currency)} here, {intent.captured} at the provider"
    if booked.refunded_minor != intent.refunded.minor:
        return f"refunded {Money(booked.refunded_minor, booked.currency)} here, {intent.refunded} at the provider"
    move = MOVES.get(intent.status)
    stale = booked.status == PaymentStatus.VOIDED and intent.status != IntentStatus.CANCELED
    if _is_passed_through(booked, intent):
        return ""
    if stale or (move is not None and booked.status in move[1]):
        return f"{booked.status} here, {intent.status} at the provider"
    return ""


def _is_passed_through(booked: Booked, intent: IntentSnapshot) -> bool:
    """Return whether it is on its way to capture, or asked about: see Note [AUTHORIZED is passed through]."""
    return (
        booked.status == PaymentStatus.SUBMITTED and booked.is_asked_about and intent.status == IntentStatus.AUTHORIZED
    )


def _confirm(intent: IntentSnapshot) -> Iterator[Difference]:
    """Look again, at both books: a payment on its way differs for a moment."""
    fresh = provider().retrieve_intent(intent_id=intent.intent_id)
    detail = find_difference(find_booked(intent_id=intent.intent_id), fresh)
    if detail:
        yield Difference(order_id=intent.order_id, intent_id=intent.intent_id, detail=detail)


def _repair(run: _Run, intent: IntentSnapshot) -> None:
    with _isolate_failures(run, order_id=intent.order_id, intent_id=intent.intent_id):
        _repair_one(run, Payment.objects.filter(intent_id=intent.intent_id).first(), intent)


def _sync(run: _Run, refund: RefundSnapshot) -> None:
    payment = Payment.objects.get(intent_id=refund.intent_id)
    with _isolate_failures(run, order_id=str(payment.order_id), intent_id=refund.intent_id):
        if sync_refund(payment, refund):
            run.repaired.append(f"{payment.order_id}: refund {refund.provider_refund_id} recorded")


def _sync_dispute(run: _Run, payment: Payment, seen: DisputeSnapshot) -> None:
    """Record a listed dispute that differs; one whose status is unknown here is left to a human."""
    with _isolate_failures(run, order_id=str(payment.order_id), intent_id=seen.intent_id):
        detail = find_dispute_difference(payment, seen)
        if not detail:
            return
        try:
            sync_disputes(payment)
        except ProviderMismatch as error:
            run.unresolved.append(_difference(payment, error.detail))
        else:
            run.repaired.append(f"{payment.order_id}: {detail}")


@contextmanager
def _isolate_failures(run: _Run, *, order_id: str, intent_id: str) -> Iterator[None]:
    """Leave what meets a bug, or is spoiled, to a human, so that it does not block the others."""
    try:
        with in_trace_of(order_id):
            yield
    except Fault:
        raise
    except Exception as error:
        log.exception("payment.not_reconciled", order_id=order_id, intent_id=intent_id)
        run.unresolved.append(Difference(order_id=order_id, intent_id=intent_id, detail=repr(error)))


def _repair_one(run: _Run, payment: Payment | None, intent: IntentSnapshot) -> None:
    for difference in _confirm(intent):
        try:
            if payment is None:
                fresh = provider().retrieve_intent(intent_id=intent.intent_id)
                if settle_unmatched(fresh) == "stray":
                    run.strays.append(intent.intent_id)
                continue
            check_is_ours(payment, intent)
            state = refresh_payment(order_id=payment.order_id)
            left = list(_confirm(intent))
        except ProviderMismatch as error:
            run.unresolved.append(Difference(order_id=intent.order_id, intent_id=intent.intent_id, detail=error.detail))
            continue
        if state is not None and state.status == PaymentStatus.VOIDED and intent.status != IntentStatus.CANCELED:
            run.strays.append(intent.intent_id)
        elif left:
            run.unresolved += left
            log.error("payment.drift_unresolved", order_id=intent.order_id, detail=left[0].detail)
        else:
            run.repaired.append(f"{intent.order_id}: {difference.detail}")
            log.warning("payment.drift_repaired", order_id=intent.order_id, detail=difference.detail)
