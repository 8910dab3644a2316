"""The id of a request, from the gateway to the mail: it is the id of the trace, unless the caller brought a trace.

Note [One id]
The gateway makes an id of 32 hexadecimal digits for each request; without one the shop does. Answers, problems and log
lines name it. Where the caller sends no `traceparent`, a trace of this id begins with the request, whether or not spans
are recorded: facts carry it in their `traceparent`, and so do the lines of workers, bookings and mails. A caller's trace
is continued instead. Then the request's own line, and the gateway's, name both ids.

Note [Whose word on an id is taken]
Only that of proxies of ours (TRUSTED_PROXIES), and only where it is plain: a stranger could forge the id of somebody
else's request, or write into logs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

_PLAIN = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)
_NAME = "shop.request_id"

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def id_of(request: HttpRequest) -> str:
    """Return the id of a request: that of the gateway, or one of our own. Always the same for one request."""
    meta: dict[str, Any] = request.META
    if _NAME not in meta:
        meta[_NAME] = _given(meta) or os.urandom(16).hex()
    return str(meta[_NAME])


def _given(meta: Mapping[str, Any]) -> str:
    """Return the id that a proxy of ours gave, "" where there is none. See Note [Whose word on an id is taken]."""
    given = meta.get("HTTP_X_REQUEST_ID", "")
    return given if settings.TRUSTED_PROXIES and _PLAIN.fullmatch(given) else ""


def current() -> str:
    """Return the id of the request that this thread answers, "" outside of any."""
    return _request_id.get() or str(structlog.contextvars.get_contextvars().get("request_id", ""))


def begin(request: HttpRequest) -> Token[str]:
    """Name the request whose trace may begin now; give what it returns to `end`."""
    return _request_id.set(id_of(request))


def end(token: Token[str]) -> None:
    """Leave the request."""
    _request_id.reset(token)


def trace_id() -> int | None:
    """Return the id for a trace that begins in the current request; None outside a request, or if its id is not a trace id."""
    request_id = _request_id.get()
    return int(request_id, 16) if _TRACE_ID.fullmatch(request_id) else None


def carry(caller: SpanContext | None) -> Token[Context]:
    """Have what runs now belong to the caller's trace, or to one of this request's id, where no spans are recorded.

    Give what it returns to opentelemetry.context.detach.
    """
    if caller is None or not caller.is_valid:
        own = trace_id() or int.from_bytes(os.urandom(16))
        caller = SpanContext(own, int.from_bytes(os.urandom(8)) or 1, is_remote=False, trace_flags=TraceFlags(0))
    return otel_context.attach(trace.set_span_in_context(NonRecordingSpan(caller)))
