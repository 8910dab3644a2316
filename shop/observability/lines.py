"""One log line for one piece of work: a request, a delivery, a walk of an order. It says what happened in it and its cost.

Inside of such a piece an INFO of the product is a fact of its line; a warning or an error is a line of its own.
Outside each fact is a line. A piece outside of requests in which nothing happened writes none. See ADR 0016.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django_structlog import signals
from opentelemetry import trace
from opentelemetry.context import Context
from structlog.typing import EventDict, WrappedLogger

from shop import actors
from shop.observability import tracing

log = structlog.get_logger(__name__)

# More than an order tells; an action of staff on hundreds of rows tells the rest in lines of its own.
MAX_FACTS = 50
# Of a chosen trace: spans of the slowest statements of a request, and of any other piece of work.
REQUEST_SQL_SPANS = 6
SQL_SPANS = 2
_PROBES = ("/health", "/ready", "/metrics")
_NOTICES = "/webhooks/"


@dataclass(frozen=True, slots=True)
class _Sql:
    """A statement that ran in a chosen trace."""

    name: str
    text: str
    alias: str
    began: int
    ended: int
    parent: Context


@dataclass(slots=True)
class Line:
    """What is gathered for the line of one piece of work."""

    started: float = field(default_factory=time.perf_counter)
    facts: list[dict[str, Any]] = field(default_factory=list)
    order_id: str = ""
    statements: int = 0
    database_seconds: float = 0.0
    provider_seconds: float = 0.0
    sql: list[_Sql] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """Return what the line says of its cost and its facts; what was not used is left out."""
        told: dict[str, Any] = {"duration_ms": _milliseconds(time.perf_counter() - self.started)}
        if self.order_id:
            told["order_id"] = self.order_id
        if self.statements:
            told |= {"statements": self.statements, "database_ms": _milliseconds(self.database_seconds)}
        if self.provider_seconds:
            told["provider_ms"] = _milliseconds(self.provider_seconds)
        if self.facts:
            told["facts"] = self.facts
        return told


_line: ContextVar[Line | None] = ContextVar("line", default=None)


class RequestLineMiddleware:
    """Gathers for django_structlog's request_finished; stands as far outside as the time is to be measured."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, gathering."""
        line = Line()
        token = _line.set(line)
        try:
            with actors.serving(request):
                return self._get_response(request)
        finally:
            _line.reset(token)
            _make_sql_spans(line, REQUEST_SQL_SPANS)


@contextmanager
def one_line(event: str, *, undone_by_errors: bool = False, **names: str) -> Iterator[None]:
    """Tell what happens in the block in one line `event`, if anything does; part of the line around it, if there is one.

    `undone_by_errors`: the block is one transaction, so nothing has happened if it raises.
    """
    if _line.get() is not None:
        yield
        return
    line = Line(order_id=names.get("order_id", ""))
    token = _line.set(line)
    try:
        yield
    except BaseException:
        if undone_by_errors:
            line.facts.clear()
        raise
    finally:
        _line.reset(token)
        _make_sql_spans(line, SQL_SPANS)
        if line.facts:
            log.info(event, **(names | line.fields()))


def gather_fact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep an INFO for the line around it; let everything else through. A processor of structlog."""
    line = _line.get()
    if line is None or method != "info" or event["event"] == "request_finished" or len(line.facts) >= MAX_FACTS:
        return event
    fact = {"fact": event["event"], **{name: value for name, value in event.items() if name != "event"}}
    line.order_id = line.order_id or str(fact.get("order_id", ""))
    if fact.get("order_id") == line.order_id:
        del fact["order_id"]
    line.facts.append(fact)
    raise structlog.DropEvent


@contextmanager
def at_provider(operation: str) -> Iterator[None]:
    """Count the time of the block as waited for the card provider, and make it a span."""
    line = _line.get()
    started = time.perf_counter()
    try:
        order_id = line.order_id if line is not None else ""
        order_id = order_id or str(structlog.contextvars.get_contextvars().get("order_id", ""))
        named = {"order_id": order_id} if order_id else {}
        with tracing.call_span(f"provider {operation}", **named):
            yield
    finally:
        if line is not None:
            line.provider_seconds += time.perf_counter() - started


def is_routine(request: HttpRequest) -> bool:
    """Return whether the request is a probe or a notice of the provider: told of only where it failed or did something."""
    return request.path.startswith(_PROBES if request.method == "GET" else _NOTICES)


def says_nothing(request: HttpRequest, response: HttpResponse) -> bool:
    """Return whether there is nothing to tell of the request that ends here."""
    line = _line.get()
    did_nothing = request.method == "GET" or line is None or not line.facts
    return response.status_code == HTTPStatus.OK and is_routine(request) and did_nothing


@receiver(signals.bind_extra_request_finished_metadata)
@receiver(signals.bind_extra_request_failed_metadata)
def complete_request_line(
    request: HttpRequest, log_kwargs: dict[str, Any], response: HttpResponse | None = None, **_others: Any
) -> None:
    """Add what was gathered to django_structlog's request_finished or request_failed."""
    line = _line.get()
    if line is None:
        return
    match = request.resolver_match
    if match is not None and not line.order_id:
        line.order_id = str(match.kwargs.get("order_id", ""))
    if line.order_id:
        trace.get_current_span().set_attribute("order_id", line.order_id)
        if (span := getattr(request, "trace", None)) is not None:
            span.order_id = line.order_id
    if user_id := _known_user_id(request):
        log_kwargs["user_id"] = user_id
    if problem := getattr(response, "problem", ""):
        log_kwargs["problem"] = problem
    log_kwargs.update(line.fields())


def _known_user_id(request: HttpRequest) -> str:
    """Return who is signed in, if the request has found that out; asking now would cost statements."""
    user = actors.known_user(request)
    return "" if user is None else str(user.pk or "")


@receiver(connection_created)
def count_statements(connection: BaseDatabaseWrapper, **_others: Any) -> None:
    """Count each statement of a new connection for the piece of work that runs it."""
    if _count not in connection.execute_wrappers:
        # First, since Django takes the last one away when a block that added one ends.
        connection.execute_wrappers.insert(0, _count)


def _count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    line = _line.get()
    if line is None:
        return execute(sql, params, many, context)
    began = time.time_ns()
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        seconds = time.perf_counter() - started
        line.statements += 1
        line.database_seconds += seconds
        if trace.get_current_span().get_span_context().trace_flags.sampled:
            name, alias = context.get("name") or sql.partition(" ")[0], context["connection"].alias
            parent = trace.set_span_in_context(trace.get_current_span())
            line.sql.append(_Sql(name, sql, alias, began, began + int(seconds * 1e9), parent))


def _make_sql_spans(line: Line, count: int) -> None:
    """Make spans of the slowest statements: one of all would cost more than what it shows. The texts have no values."""
    for sql in heapq.nlargest(count, line.sql, key=lambda each: each.ended - each.began):
        attributes = {"db.system.name": "postgresql", "db.namespace": sql.alias, "db.query.text": sql.text}
        span = tracing.tracer.start_span(
            sql.name, context=sql.parent, kind=trace.SpanKind.CLIENT, attributes=attributes, start_time=sql.began
        )
        span.end(end_time=sql.ended)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
