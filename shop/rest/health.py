"""What a load balancer and an orchestrator ask: whether the process lives, and whether it may get requests.

/health asks nothing of anybody: a database that is away must not have the process restarted. /ready asks each database
and whether its migrations are applied, apart from the requests and for so long only. A broker that is away makes it
degraded, not unready: orders are still taken. `shop.rest.probes` gives the same answers on a port of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shop.events.broker import connect
from shop.resilience.apart import Apart, Unanswered
from shop.resilience.breaker import breakers
from shop.rest.problem import edge_problem

log = structlog.get_logger(__name__)

BROKER_LIMIT_SECONDS = 1
# Shorter than an orchestrator waits for a probe.
READY_LIMIT_SECONDS = 3.0
CACHE_SECONDS = 1.0


@dataclass(frozen=True)
class Readiness:
    """What each check said: "ok", or the kind of trouble in one word (never an address or a password)."""

    required: dict[str, str]
    optional: dict[str, str]
    breakers: dict[str, str]

    @property
    def failing(self) -> list[str]:
        """The required checks that are not ok."""
        return [name for name, outcome in self.required.items() if outcome != "ok"]

    @property
    def status(self) -> str:
        """ready, degraded (takes orders, but something waits) or unready."""
        if self.failing:
            return "unready"
        return "degraded" if any(outcome != "ok" for outcome in self.optional.values()) else "ready"

    def as_json(self) -> dict[str, Any]:
        """Return the body of /ready."""
        return {"status": self.status, "checks": {**self.required, **self.optional}, "breakers": self.breakers}


def ask_databases() -> dict[str, str]:
    """Ask each database now, and whether its migrations are applied."""
    outcomes = {}
    for alias in connections:
        outcomes[f"database:{alias}"] = _outcome(partial(_ask_database, alias))
        if outcomes[f"database:{alias}"] == "ok":
            outcomes[f"migrations:{alias}"] = _outcome(partial(_ask_migrations, alias))
    return outcomes


def readiness_in_time() -> Readiness:
    """Ask everything now; where the databases do not answer in time, none counts as answering.

    The broker is asked at the same time and apart: a silent one says nothing about a database.
    """
    until = time.monotonic() + READY_LIMIT_SECONDS
    asked = {"broker": _broker.submit(_outcome, _ask_broker)} if settings.BROKER_URL else {}
    try:
        required = _apart.ask(ask_databases, within=READY_LIMIT_SECONDS)
    except Unanswered as silence:
        log.warning("health.unanswered", error=str(silence))
        required = {f"database:{alias}": Unanswered.__name__ for alias in connections}
    optional = {name: _outcome_of(answer, until=until) for name, answer in asked.items()}
    return Readiness(required, optional, {breaker.name: breaker.state().state for breaker in breakers()})


class NotMigrated(Exception):
    """Migrations of this release are not applied yet."""


def _outcome(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Exception as error:  # noqa: BLE001  a check says what is wrong, whatever it is
        return type(error).__name__
    return "ok"


def _outcome_of(asked: Future[str], *, until: float) -> str:
    try:
        return asked.result(max(0.0, until - time.monotonic()))
    except NotYet:
        asked.cancel()
        return Unanswered.__name__


def _ask_database(alias: str) -> None:
    connection = connections[alias]
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


_apart = Apart("readiness")
_broker = ThreadPoolExecutor(1, thread_name_prefix="readiness of the broker")
_migrated: set[str] = set()


def _ask_migrations(alias: str) -> None:
    """Raise NotMigrated where one is missing; once all are applied, nobody asks again in this process."""
    if alias in _migrated:
        return
    executor = MigrationExecutor(connections[alias])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotMigrated
    _migrated.add(alias)


def _ask_broker() -> None:
    connect(connect_seconds=BROKER_LIMIT_SECONDS, answer_seconds=BROKER_LIMIT_SECONDS).release()


@dataclass
class _Cache:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0
    readiness: Readiness | None = None

    def get(self) -> Readiness:
        with self.lock:
            if self.readiness is None or time.monotonic() >= self.until:
                self.readiness = readiness_in_time()
                self.until = time.monotonic() + CACHE_SECONDS
            return self.readiness

    def clear(self) -> None:
        with self.lock:
            self.readiness = None


readiness_cache = _Cache()


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all."""
    return health_answer()


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 where requests may come, else a 503 problem that lists what fails."""
    return ready_answer()


def health_answer() -> HttpResponse:
    """Return the answer to /health."""
    return JsonResponse({"status": "ok"})


def ready_answer() -> HttpResponse:
    """Return the answer to /ready."""
    readiness = readiness_cache.get()
    if readiness.failing:
        return edge_problem(
            "not_ready",
            f"failing: {', '.join(readiness.failing)}",
            facts=readiness.as_json(),
            headers={"Retry-After": "1"},
        ).plain_response()
    return JsonResponse(readiness.as_json())
