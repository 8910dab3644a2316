"""The span of a request that a program makes: whole in a chosen trace; of the others it is made only once there is trouble.

Most requests are in no chosen trace and go well. Such a one has ids, which its log lines and facts bear, and no span.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, Status, StatusCode

from shop.observability import tracing
from shop.observability.request_metrics import METHODS

SERVER_ERROR = 500


class RequestTrace:
    """The trace of one request, from `begin` to `end` in the same thread."""

    __slots__ = ("_began", "_parent", "_span", "_token", "order_id", "raised")

    def __init__(self, meta: Mapping[str, Any], method: str) -> None:
        """Continue the caller's trace, or begin one; from here on it is the current one."""
        caller = tracing.caller_of(meta)
        self.raised: Exception | None = None
        self.order_id = ""
        self._began = time.time_ns()
        self._parent = None if caller is None else trace.get_current_span(caller).get_span_context()
        self._span = tracing.tracer.start_span(
            _named(method), context=caller, kind=SpanKind.SERVER, attributes=tracing.TOLD_AFTERWARDS
        )
        self._token = otel_context.attach(trace.set_span_in_context(self._span))

    def end(self, *, method: str, route: str, path: str, status: int) -> None:
        """End the trace of this request: export its span if it is chosen, failed or was slow."""
        otel_context.detach(self._token)
        failed = status >= SERVER_ERROR
        slow = time.time_ns() - self._began > tracing.SLOW_SECONDS * 1e9
        if not (self._span.is_recording() or failed or slow):
            return
        name = f"{_named(method)} {route}" if route else _named(method)
        told: dict[str, str | int] = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "http.route": route,
            "url.path": path,
            "http.response.status_code": status,
        }
        if self.order_id:
            told["order_id"] = self.order_id
        if self._span.is_recording():
            self._complete(name, told, failed=failed)
        else:
            self._tell_afterwards(name, told, failed=failed)

    def _complete(self, name: str, told: Mapping[str, str | int], *, failed: bool) -> None:
        self._span.update_name(name)
        self._span.set_attributes(told)
        if self.raised is not None:
            self._span.record_exception(self.raised)
        if failed:
            self._span.set_status(_status(self.raised))
        self._span.end()

    def _tell_afterwards(self, name: str, told: Mapping[str, str | int], *, failed: bool) -> None:
        tracing.export_trouble(
            ReadableSpan(
                name=name,
                context=self._span.get_span_context(),
                parent=self._parent,
                attributes=told,
                kind=SpanKind.SERVER,
                status=_status(self.raised) if failed else Status(StatusCode.UNSET),
                start_time=self._began,
                end_time=time.time_ns(),
                **tracing.origin(),
            )
        )


def _named(method: str) -> str:
    """Return the method for the name of a span, as OpenTelemetry has it: `HTTP` for one that a stranger made up."""
    return method if method in METHODS else "HTTP"


def _status(raised: Exception | None) -> Status:
    return Status(StatusCode.ERROR, None if raised is None else f"{type(raised).__name__}: {raised}")


def begin(meta: Mapping[str, Any], method: str) -> RequestTrace | None:
    """Begin the trace of a request; None where this process records none."""
    return RequestTrace(meta, method) if tracing.is_on() else None
