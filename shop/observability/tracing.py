"""One trace from the request through the outbox row to the consumers (W3C Trace Context), of a share of the requests.

Of a trace that is not chosen only the entrances (a request, a delivery, a walk) are recorded, and exported only if they
fail or are slow. See ADR 0016.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from shop import request_ids

SHARE = "0.1"
SLOW_SECONDS = 1.0

# Marks the span of a request that is made after the fact, where it was in trouble (shop.observability.request_trace).
TOLD_AFTERWARDS = {"shop.chain": "api"}

_propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("shop")


def current_trace_id() -> str:
    """Return the id of the current trace, or "" outside of any."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id) if span.is_valid else ""


_by_order: ContextVar[Mapping[object, str]] = ContextVar("traceparents_by_order", default={})  # noqa: B039  never written to


def current_traceparent(*, order_id: object = None) -> str:
    """Return the W3C traceparent of the current span, or "" outside of any trace.

    Where the block works for several orders (`each_in_its_trace`), that of the order's own trace.
    """
    if order_id is not None and (its_own := _by_order.get().get(order_id)):
        return its_own
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


@contextmanager
def each_in_its_trace(traceparents: Mapping[object, str]) -> Iterator[None]:
    """Have what the block tells of an order, or leaves to be done for it, belong to the order's trace, given by its id."""
    token = _by_order.set(traceparents)
    try:
        yield
    finally:
        _by_order.reset(token)


@contextmanager
def in_trace(traceparent: str) -> Iterator[None]:
    """Have the block belong to a trace, without a span of its own; to the current one where that is empty."""
    token = otel_context.attach(_propagator.extract({"traceparent": traceparent})) if traceparent else None
    try:
        yield
    finally:
        if token is not None:
            otel_context.detach(token)


@contextmanager
def continued_span(name: str, traceparent: str, **attributes: str) -> Iterator[None]:
    """Run the block in a span that continues the trace of `traceparent`, or the current one where that is empty."""
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with tracer.start_as_current_span(name, context=parent, attributes=attributes):
        yield


def entrance(name: str, **attributes: str) -> Any:
    """Run the block in a trace of its own or that of another process, or without a span as a part of one under way here."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid and not current.is_remote:
        return nullcontext()
    return tracer.start_as_current_span(name, attributes=attributes)


def call_span(name: str, **attributes: str) -> Any:
    """Run the block in a span of a call to somebody else, where the trace is a chosen one."""
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return nullcontext()
    return tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes)


@contextmanager
def private_call_span(name: str, **attributes: str) -> Iterator[None]:
    """Run the block in a span as `call_span`, which keeps no more of an error than its class: others may hold an address."""
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        yield
        return
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


@contextmanager
def linked_span(name: str, traceparents: Sequence[str], **attributes: str) -> Iterator[None]:
    """Run the block in a span that is linked to every trace it works for: one of several has no single parent."""
    spans = [_propagator.extract({"traceparent": parent}) for parent in traceparents if parent]
    links = [trace.Link(trace.get_current_span(span).get_span_context()) for span in spans]
    with tracer.start_as_current_span(name, links=links, attributes=attributes):
        yield


@dataclass(frozen=True)
class _Exporting:
    """Where the spans of this process go, once `setup_tracing` has been called."""

    provider: TracerProvider
    trouble: ExportTrouble


_exporting: _Exporting | None = None


def is_on() -> bool:
    """Return whether this process records anything."""
    return _exporting is not None


def caller_of(meta: Mapping[str, Any]) -> Context | None:
    """Return the trace that a request's headers (as WSGI names them) continue, None where they name none."""
    if "HTTP_TRACEPARENT" not in meta:
        return None
    carrier = {"traceparent": meta["HTTP_TRACEPARENT"], "tracestate": meta.get("HTTP_TRACESTATE", "")}
    return _propagator.extract(carrier)


def span_of_caller(meta: Mapping[str, Any]) -> SpanContext | None:
    """Return the span that a request's headers name as its parent, None where they name none."""
    caller = caller_of(meta)
    return None if caller is None else trace.get_current_span(caller).get_span_context()


def export_trouble(span: ReadableSpan) -> None:
    """Export a span that was made after the fact."""
    if _exporting is not None:
        _exporting.trouble.on_end(span)


def origin() -> dict[str, Any]:
    """Return what a span that is made after the fact says of where it comes from."""
    if _exporting is None:
        return {}
    return {"resource": _exporting.provider.resource, "instrumentation_scope": InstrumentationScope("shop")}


def setup_tracing(role: str, *, exporter: SpanExporter | None = None) -> TracerProvider | None:
    """Record and export spans of this process; without an endpoint or a test's `exporter`, do nothing and cost nothing.

    Call it once per process, after any fork and before Django's handler and the first database connection are made.
    OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG choose the share, a tenth unless set; OTEL_SERVICE_NAME renames.
    Returns the provider, or None where nothing is recorded.
    """
    if exporter is None and not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return None
    os.environ.setdefault("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    os.environ.setdefault("OTEL_TRACES_SAMPLER_ARG", SHARE)
    names = {"service.namespace": "shop", "service.name": os.environ.get("OTEL_SERVICE_NAME") or f"shop-{role}"}
    provider = TracerProvider(resource=Resource.create(names), id_generator=RequestTraces())
    provider.sampler = RecordEntrances(provider.sampler)
    trouble = ExportTrouble(SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(_otlp_exporter()))
    provider.add_span_processor(trouble)
    trace.set_tracer_provider(provider)
    global _exporting  # noqa: PLW0603  one provider per process, as OpenTelemetry has it
    _exporting = _Exporting(provider, trouble)
    _instrument(provider)
    return provider


class RequestTraces(RandomIdGenerator):
    """Gives a trace that begins in a request the request's id. See Note [One id]."""

    def generate_trace_id(self) -> int:
        """Return the request's id, or any outside of a request."""
        return request_ids.trace_id() or super().generate_trace_id()


class RecordEntrances(Sampler):
    """Samples as `chosen` says; of what that drops, has those spans recorded whose parent is not in this process."""

    def __init__(self, chosen: Sampler) -> None:
        self._chosen = chosen

    def should_sample(  # noqa: PLR0917  the signature of OpenTelemetry
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span that begins."""
        chosen = self._chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if any(link.context.trace_flags.sampled for link in links or ()):
            # Work for several traces, of which one is chosen.
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, chosen.trace_state)
        if attributes is TOLD_AFTERWARDS:
            return chosen
        parent = trace.get_current_span(parent_context).get_span_context()
        if chosen.decision is Decision.DROP and (parent.is_remote or not parent.is_valid):
            return SamplingResult(Decision.RECORD_ONLY, attributes, chosen.trace_state)
        return chosen

    def get_description(self) -> str:
        """Name it as OpenTelemetry does."""
        return f"RecordEntrances{{{self._chosen.get_description()}}}"


class ExportTrouble(SpanProcessor):
    """Hands on the spans of chosen traces, and of the others those that failed or took longer than SLOW_SECONDS."""

    def __init__(self, behind: SpanProcessor) -> None:
        self._behind = behind

    def on_end(self, span: ReadableSpan) -> None:
        """Hand a span on, marked as chosen, or let it go."""
        context = span.context
        if context is not None and not context.trace_flags.sampled:
            if not _is_trouble(span):
                return
            span = _chosen_now(span, context)
        self._behind.on_end(span)

    def shutdown(self) -> None:
        """Export what waits."""
        self._behind.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits."""
        return self._behind.force_flush(timeout_millis)


def _is_trouble(span: ReadableSpan) -> bool:
    seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    return span.status.status_code is StatusCode.ERROR or seconds > SLOW_SECONDS


def _chosen_now(span: ReadableSpan, context: SpanContext) -> ReadableSpan:
    """Return a copy whose flags say that it is exported; exporters pass over the others."""
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _otlp_exporter() -> SpanExporter:
    # Loaded only where traces go somewhere.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter(endpoint=settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/") + "/v1/traces", timeout=5)


def _instrument(provider: TracerProvider) -> None:
    """Have requests recorded as they come in; the rest we record ourselves, at a fraction of the cost."""
    # Read when the instrumentation is imported, so that comes after it. Probes are not traced.
    os.environ.setdefault("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "/health$,/ready$,/metrics$")
    from opentelemetry.instrumentation.django import DjangoInstrumentor  # noqa: PLC0415

    instrumentor: Any = DjangoInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(tracer_provider=provider)
