"""One trace from the request through the outbox row to the handler."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from orders.models import Outbox
from shop.events import relay
from shop.observability import tracing
from tests.integration.events.bench import ring


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("bench"))
    return exporter


def test_handler_continues_the_trace_of_the_request(spans, bell_book):
    with tracing.tracer.start_as_current_span("POST /api/v1/orders") as request:
        ring()
        trace_id, span_id = request.get_span_context().trace_id, request.get_span_context().span_id

    relay.drain("orders")

    handler = next(span for span in spans.get_finished_spans() if span.name == f"handle {bell_book}")
    assert handler.context.trace_id == trace_id
    assert handler.parent.span_id == span_id
    assert Outbox.objects.get().traceparent.startswith(f"00-{trace_id:032x}-{span_id:016x}-")
    assert Outbox.objects.get().envelope().to_json()["traceparent"] == Outbox.objects.get().traceparent


def test_event_of_no_trace_is_handled_in_one_of_its_own(spans, bell_book):
    ring()
    assert Outbox.objects.get().traceparent == ""

    relay.drain("orders")

    handler = next(span for span in spans.get_finished_spans() if span.name == f"handle {bell_book}")
    assert handler.parent is None
