"""The trace in which a sweep asks the provider: that of the order whose money it is about; see docs/adr/0032-one-id.md.

A payment's first fact is told in the trace in which its order was placed. Its refunds, disputes, webhooks and stray intents
go on in that one too, whoever caused them, so that one trace shows all that became of an order's money.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from shop.events import outbox
from shop.ids import read_id
from shop.observability import tracing


@contextmanager
def name_order(order_id: UUID | str) -> Iterator[None]:
    """Have the lines and the provider's spans of the block name the order."""
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)):
        yield


@contextmanager
def in_trace_of(order_id: UUID | str) -> Iterator[None]:
    """Run the block in the order's trace, unless a trace is under way; `order_id` as the provider has it, perhaps no id."""
    if (known := read_id(str(order_id))) is None:
        yield
        return
    of_order = "" if tracing.current_trace_id() else outbox.trace_of("payments", known)
    with tracing.in_trace(of_order), name_order(known):
        yield
