"""What an order writes into log and traces, from its request to the parcel at the door, in all processes together."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shop.observability import tracing
from shop.work.sweeps import sweeps
from tests.driver.logs import captured
from tests.driver.orders import status_of
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper, id_in

LINES = 8
SPANS = 40
BYTES = 4000


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return what is logged from here on, as production logs it."""
    with captured(level=logging.INFO) as printed:
        yield lambda: [json.loads(line) for line in printed.getvalue().splitlines()]


@pytest.mark.parametrize("prefer", ["", "respond-async"])
def test_whole_order_writes_at_most_eight_lines(
    prefer: str,
    shopper: Shopper,
    sandbox: Provider,
    drain: Callable[[], None],
    lines: Callable[[], list[dict[str, Any]]],
):
    order_id = id_in(shopper.place(headers={"Prefer": prefer}))
    drain()
    for notice in sandbox.events():
        assert post_signed(notice).status_code == 200
    drain()
    written = lines()

    assert status_of(order_id) == "DELIVERED"
    assert len(written) <= LINES, json.dumps(written, indent=1)
    assert len(json.dumps(written)) <= BYTES
    assert {line["order_id"] for line in written} == {str(order_id)}
    told = [fact["fact"] for line in written for fact in line.get("facts", [])] + [line["event"] for line in written]
    assert {"order.placed", "stock.reserved", "payment.captured", "order.confirmed", "shipment.booked"} <= set(told)
    assert all(told.count(fact) == 1 for fact in told if fact != "email.sent")


def test_idle_round_of_all_sweeps_writes_none(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None], lines: Callable[[], list[dict[str, Any]]]
):
    shopper.place()
    drain()
    before = len(lines())

    for sweep in sweeps():
        sweep.run()

    assert lines()[before:] == []


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("shop"))
    return exporter


def test_whole_order_makes_at_most_forty_spans_of_one_trace(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None], spans: InMemorySpanExporter
):
    with tracing.tracer.start_as_current_span("POST /api/v1/orders") as request:
        shopper.place()
    drain()
    for notice in sandbox.events():
        with tracing.tracer.start_as_current_span("POST /webhooks/stripe"):
            post_signed(notice)
    drain()

    made = spans.get_finished_spans()
    listed = "\n".join(span.name for span in made)
    assert len(made) <= SPANS, listed
    ours = {span.name for span in made if span.context and span.context.trace_id == request.get_span_context().trace_id}
    assert {"provider create", "provider confirm", "provider capture"} <= ours
    assert any(name.startswith("handle shipping.") for name in ours), listed


def test_sweeps_that_find_nothing_leave_no_trace(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None], spans: InMemorySpanExporter
):
    shopper.place()
    drain()
    spans.clear()

    for sweep in sweeps():
        sweep.run()

    assert [span.name for span in spans.get_finished_spans()] == []
