"""One trace from the request through the outbox row to the consumers (W3C Trace Context)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("shop")


def current_traceparent() -> str:
    """Return the W3C traceparent of the current span, or "" outside of any trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


@contextmanager
def continued_span(name: str, traceparent: str, **attributes: str) -> Iterator[None]:
    """Run the block in a span that continues the trace of `traceparent`, or the current one where that is empty."""
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with tracer.start_as_current_span(name, context=parent, attributes=attributes):
        yield


def setup_tracing(role: str, *, exporter: SpanExporter | None = None) -> TracerProvider | None:
    """Record and export spans of this process; without an endpoint or a test's `exporter`, do nothing and cost nothing.

    Call it once per process, after any fork and before Django's handler and the first database connection are made.
    OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG choose what is kept (all, unless set); OTEL_SERVICE_NAME renames.
    Returns the provider, or None where nothing is recorded.
    """
    if exporter is None and not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return None
    names = {"service.namespace": "shop", "service.name": os.environ.get("OTEL_SERVICE_NAME") or f"shop-{role}"}
    provider = TracerProvider(resource=Resource.create(names))
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        provider.add_span_processor(BatchSpanProcessor(_otlp_exporter()))
    trace.set_tracer_provider(provider)
    _instrument(provider)
    return provider


def _otlp_exporter() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/") + "/v1/traces", timeout=5)


def _instrument(provider: TracerProvider) -> None:
    """Have the libraries record their spans: requests in, SQL, HTTP out, Celery tasks."""
    # Read when the instrumentation is imported; probes are no traces.
    os.environ.setdefault("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "/health$,/ready$,/metrics$")
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    kinds: tuple[Any, ...] = (DjangoInstrumentor, PsycopgInstrumentor, RequestsInstrumentor, CeleryInstrumentor)
    for instrumentor in (kind() for kind in kinds):
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(tracer_provider=provider)
