"""What a load balancer and an orchestrator ask: whether the process lives, and whether it may get requests.

/health asks nothing of anybody: a database that is away must not have the process restarted. /ready asks each database
and whether its migrations are applied. A broker that is away makes it degraded, not unready: orders are still taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu import Connection

from shop.resilience.breaker import breakers
from shop.rest.problem import edge_problem

BROKER_LIMIT_SECONDS = 1
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


def check_readiness() -> Readiness:
    """Ask everything now."""
    required = {}
    for alias in connections:
        required[f"database:{alias}"] = _outcome(partial(_ask_database, alias))
        if required[f"database:{alias}"] == "ok":
            required[f"migrations:{alias}"] = _outcome(partial(_ask_migrations, alias))
    optional = {"broker": _outcome(_ask_broker)} if settings.BROKER_URL else {}
    return Readiness(required, optional, {breaker.name: breaker.state().state for breaker in breakers()})


class NotMigrated(Exception):
    """Migrations of this release are not applied yet."""


def _outcome(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Exception as error:  # noqa: BLE001  a check says what is wrong, whatever it is
        return type(error).__name__
    return "ok"


def _ask_database(alias: str) -> None:
    connection = connections[alias]
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


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
    with Connection(settings.BROKER_URL, connect_timeout=BROKER_LIMIT_SECONDS) as connection:
        connection.connect()


@dataclass
class _Cache:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0
    readiness: Readiness | None = None

    def get(self) -> Readiness:
        with self.lock:
            if self.readiness is None or time.monotonic() >= self.until:
                self.readiness = check_readiness()
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
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 where requests may come, else a 503 problem that lists what fails."""
    readiness = readiness_cache.get()
    if readiness.failing:
        return edge_problem(
            "not_ready",
            f"failing: {', '.join(readiness.failing)}",
            facts=readiness.as_json(),
            headers={"Retry-After": "1"},
        ).plain_response()
    return JsonResponse(readiness.as_json())
