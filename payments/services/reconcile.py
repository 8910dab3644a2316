"""Reconciliation: go through the provider's own list, bring our rows to it, and find money that is in neither book.

The list may be a moment old, and so may our rows: whatever differs is asked for once more before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import structlog

from payments import rules
from payments.gateways import IntentSnapshot, ProviderMismatch, RefundSnapshot, provider
from payments.models import Payment, PaymentStatus
from payments.services.recording import check_is_ours
from payments.services.refund import failed_first, sync_refund
from payments.services.resolving import refresh_payment
from payments.services.webhooks import settle_unmatched
from shop import transactions
from shop.errors import Fault

log = structlog.get_logger(__name__)

BATCH = 100
CLOCK_SKEW = timedelta(minutes=5)


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


@dataclass(kw_only=True)
class _Run:
    """A reconciliation under way."""

    intents: int = 0
    refunds: int = 0
    repaired: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    unresolved: list[Difference] = field(default_factory=list)


def reconcile_payments(*, since: datetime) -> ReconciliationReport:
    """Compare every intent and refund made at the provider since then with our rows, and repair what differs.

    Repairs are the same compare-and-set records as everywhere; money that no payment stands for is given back.
    Raises: PaymentUnknown, PaymentProviderUnavailable: what was repaired until then stays repaired.
    """
    transactions.forbid()
    run = _Run()
    for intent, payment in _matched(provider().iter_intents(since=since - CLOCK_SKEW)):
        run.intents += 1
        if differs(payment, intent):
            _repair(run, payment, intent)
    for refund in failed_first(provider().iter_refunds(since=since - CLOCK_SKEW, concerns=_is_ours)):
        run.refunds += 1
        _sync(run, refund)
    log.info(
        "payment.reconciled",
        intents=run.intents,
        refunds=run.refunds,
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
    )


def find_differences(*, since: datetime) -> Iterator[Difference]:
    """Yield what a reconciliation would repair, without repairing it. Raises: as reconcile_payments."""
    for intent, payment in _matched(provider().iter_intents(since=since - CLOCK_SKEW)):
        if differs(payment, intent):
            yield from _confirmed(intent)


def count_captures(*, since: datetime) -> dict[str, int]:
    """Return how many of its intents took money, by the order's id, for orders with any. Raises: as above."""
    captures: dict[str, int] = {}
    for intent in provider().iter_intents(since=since - CLOCK_SKEW):
        if intent.captured.minor > intent.refunded.minor:
            captures[intent.order_id] = captures.get(intent.order_id, 0) + 1
    return captures


def differs(payment: Payment | None, intent: IntentSnapshot) -> str:
    """Say in what the provider's intent and our payment do not agree to the cent; "" where they do."""
    if payment is None:
        held = intent.status == "requires_capture" or intent.captured.minor > intent.refunded.minor
        return f"{intent.status} at the provider, no payment here" if held and _is_order_id(intent.order_id) else ""
    if payment.captured_minor != intent.captured.minor:
        return f"captured {payment.captured_minor} here, {intent.captured.minor} at the provider"
    if payment.refunded_minor != intent.refunded.minor:
        return f"refunded {payment.refunded_minor} here, {intent.refunded.minor} at the provider"
    move = rules.implied_move(provider_status=intent.status, attempt_failed=intent.attempt_failed)
    stale = payment.status == PaymentStatus.VOIDED and intent.status != "canceled"
    if stale or (move is not None and payment.status in move[1]):
        return f"{payment.status} here, {intent.status} at the provider"
    return ""


def _is_ours(intent_id: str) -> bool:
    return Payment.objects.filter(intent_id=intent_id).exists()


def _is_order_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _matched(intents: Iterable[IntentSnapshot]) -> Iterator[tuple[IntentSnapshot, Payment | None]]:
    """Pair listed intents with our payments, a page at a time."""
    listed = iter(intents)
    while page := list(islice(listed, BATCH)):
        ours = Payment.objects.in_bulk([intent.intent_id for intent in page], field_name="intent_id")
        for intent in page:
            yield intent, ours.get(intent.intent_id)


def _confirmed(intent: IntentSnapshot) -> Iterator[Difference]:
    """Look again, at both books: a payment on its way differs for a moment."""
    fresh = provider().retrieve_intent(intent_id=intent.intent_id)
    detail = differs(Payment.objects.filter(intent_id=intent.intent_id).first(), fresh)
    if detail:
        yield Difference(order_id=intent.order_id, intent_id=intent.intent_id, detail=detail)


def _repair(run: _Run, payment: Payment | None, intent: IntentSnapshot) -> None:
    with _alone(run, order_id=intent.order_id, intent_id=intent.intent_id):
        _bring_together(run, payment, intent)


def _sync(run: _Run, refund: RefundSnapshot) -> None:
    payment = Payment.objects.get(intent_id=refund.intent_id)
    with _alone(run, order_id=str(payment.order_id), intent_id=refund.intent_id):
        if sync_refund(payment, refund):
            run.repaired.append(f"{payment.order_id}: refund {refund.provider_refund_id} recorded")


@contextmanager
def _alone(run: _Run, *, order_id: str, intent_id: str) -> Iterator[None]:
    """Leave what meets a bug, or is spoiled, to a human: it keeps no other from being reconciled."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        log.exception("payment.not_reconciled", order_id=order_id, intent_id=intent_id)
        run.unresolved.append(Difference(order_id=order_id, intent_id=intent_id, detail=repr(error)))


def _bring_together(run: _Run, payment: Payment | None, intent: IntentSnapshot) -> None:
    for difference in _confirmed(intent):
        try:
            if payment is None:
                fresh = provider().retrieve_intent(intent_id=intent.intent_id)
                if settle_unmatched(fresh) == "stray":
                    run.strays.append(intent.intent_id)
                continue
            check_is_ours(payment, intent)
            state = refresh_payment(order_id=payment.order_id)
            left = list(_confirmed(intent))
        except ProviderMismatch as error:
            run.unresolved.append(Difference(order_id=intent.order_id, intent_id=intent.intent_id, detail=error.detail))
            continue
        if state is not None and state.status == PaymentStatus.VOIDED and intent.status != "canceled":
            run.strays.append(intent.intent_id)
        elif left:
            run.unresolved += left
            log.error("payment.drift_unresolved", order_id=intent.order_id, detail=left[0].detail)
        else:
            run.repaired.append(f"{intent.order_id}: {difference.detail}")
            log.warning("payment.drift_repaired", order_id=intent.order_id, detail=difference.detail)
