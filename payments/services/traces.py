"""The trace in which a sweep asks the provider: that of the order whose money it is about; see docs/adr/0032-one-id.md.

A payment's first fact is told in the trace in which its order was placed. Its refunds, disputes, webhooks and stray intents
go on in that one too, whoever caused them, so that one trace shows all that became of an order's money.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from payments.models import Dispute, Payment, Refund, StrayIntent
from shop.events import outbox
from shop.observability import tracing


def of_order(order_id: UUID | None) -> str:
    """Return the traceparent of an order's payment; "" where it has none, or there is no such payment."""
    return outbox.trace_of("payments", order_id) if order_id is not None else ""


def of_refund(refund_id: UUID) -> str:
    """Return the traceparent of the order that a refund is of."""
    return of_order(Refund.objects.filter(pk=refund_id).values_list("payment_id", flat=True).first())


def of_dispute(dispute_id: UUID) -> str:
    """Return the traceparent of the order whose payment is disputed."""
    return of_order(Dispute.objects.filter(pk=dispute_id).values_list("payment_id", flat=True).first())


def of_intent(intent_id: str) -> str:
    """Return the traceparent of the order that is paid by an intent."""
    return of_order(Payment.objects.filter(intent_id=intent_id).values_list("pk", flat=True).first())


def of_stray(stray_id: int) -> str:
    """Return the traceparent of the order that a stray intent names."""
    return of_order(StrayIntent.objects.filter(pk=stray_id).values_list("order_id", flat=True).first())


@contextmanager
def name_order(order_id: UUID | str) -> Iterator[None]:
    """Have the lines and the provider's spans of the block name the order."""
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)):
        yield


@contextmanager
def in_trace_of(order_id: UUID | str) -> Iterator[None]:
    """Run the block in the order's trace, unless a trace is under way; `order_id` as the provider has it, perhaps no id."""
    try:
        known = UUID(str(order_id))
    except ValueError:
        yield
        return
    with tracing.in_trace("" if tracing.current_trace_id() else of_order(known)), name_order(known):
        yield
