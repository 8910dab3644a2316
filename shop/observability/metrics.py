"""Metrics: counters and histograms of every process, and figures read from the database when Prometheus scrapes.

What a process counts goes through prometheus_client (files in PROMETHEUS_MULTIPROC_DIR where there are several
processes). What the database knows is read at the scrape, cached, with a short limit: a database that is away costs
its own figures, never /metrics. Every web process of every pod reports the same database figures: take max() over them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from django.db import DatabaseError, connections
from django.db.models import DurationField, ExpressionWrapper, Min
from django.db.models.functions import Now
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shop import transactions

CACHE_SECONDS = 5.0
STATEMENT_TIMEOUT_MILLISECONDS = 1000

log = structlog.get_logger(__name__)
Reading = Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class Gauge:
    """One figure of one context, read from its database."""

    name: str
    documentation: str
    context: str
    labels: tuple[str, ...]
    read: Callable[[], Reading]


_gauges: dict[tuple[str, str], Gauge] = {}


def register_gauge(
    name: str, documentation: str, *, context: str, read: Callable[[], Reading], labels: Iterable[str] = ()
) -> None:
    """Have every scrape ask `read()`: a mapping from label values to the figure, `{(): 3}` where there is no label.

    It runs inside a short read-only transaction of `context`, so it reads that context's tables only. Contexts that
    register the same name share one metric and give the same labels.
    """
    _gauges[name, context] = Gauge(name, documentation, context, tuple(labels), read)


class Collects(Protocol):
    """What prometheus_client's encoders want of a registry."""

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        ...


class DatabaseCollector(Collector):
    """Reads every registered gauge, at most once in CACHE_SECONDS per process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures, and which contexts could not be read."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= CACHE_SECONDS:
                self._metrics = self._read()
                self._read_at = self._clock()
            metrics = list(self._metrics)
        yield from metrics

    def _read(self) -> list[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        readable = GaugeMetricFamily(
            "shop_database_readable", "Whether a context's figures could be read", None, ["context"]
        )
        dead: set[str] = set()
        for context in sorted({gauge.context for gauge in _gauges.values()}):
            alias = transactions.alias_for(context)
            found: list[tuple[Gauge, Reading]] = []
            if alias not in dead:
                try:
                    found = self._read_context(context)
                except DatabaseError as error:
                    # One wait for a database that is away, or slow, is enough for one scrape.
                    dead.add(alias)
                    log.warning("metrics.database_unreadable", context=context, error=repr(error))
            readable.add_metric([context], float(alias not in dead))
            for gauge, reading in found:
                family = families.setdefault(
                    gauge.name, GaugeMetricFamily(gauge.name, gauge.documentation, None, gauge.labels)
                )
                for values, figure in reading.items():
                    family.add_metric(values, figure)
        return [*families.values(), readable]

    def _read_context(self, context: str) -> list[tuple[Gauge, Reading]]:
        """Read all gauges of a context in one transaction. Raises: DatabaseError."""
        alias = transactions.alias_for(context)
        connections[alias].close_if_unusable_or_obsolete()
        found = []
        with transactions.transaction(context):
            with connections[alias].cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MILLISECONDS}")
                cursor.execute("SET TRANSACTION READ ONLY")
            for gauge in [gauge for gauge in _gauges.values() if gauge.context == context]:
                try:
                    found.append((gauge, gauge.read()))
                except DatabaseError:
                    raise
                except Exception:
                    # A bug in one figure must not blind the others.
                    log.exception("metrics.gauge_failed", gauge=gauge.name, context=context)
        return found


database_collector = DatabaseCollector()


class _Everything:
    """This process's metrics (all processes' in multiprocess mode) and the database's."""

    def collect(self) -> Iterator[Metric]:
        yield from _processes().collect()
        yield from database_collector.collect()


def _processes() -> Collects:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def exposition(accept: str) -> tuple[bytes, str]:
    """Return the body of /metrics and its content type, as the scraper prefers it."""
    encode, content_type = choose_encoder(accept)
    return encode(_Everything()), content_type


def serve(port: int) -> None:
    """Serve the metrics of a process that answers no HTTP otherwise (workers), on a thread of its own."""
    registry = CollectorRegistry()
    registry.register(_Processes())
    start_http_server(port, registry=registry)
    log.info("metrics.serving", port=port)


class _Processes(Collector):
    def collect(self) -> Iterable[Metric]:
        return _processes().collect()


def register_kernel_gauges() -> None:
    """Register the figures of the bus for every context that publishes or hears."""
    from shop.events import dead_letters, relay

    for context in relay.publishing_contexts():
        for name, documentation, figure in (
            ("shop_outbox_waiting", "Events not published yet", "waiting"),
            ("shop_outbox_oldest_seconds", "Age of the oldest event not published yet", "age"),
            ("shop_outbox_quarantined", "Events that the broker refused for good", "quarantined"),
        ):
            read = partial(_outbox, context, figure)
            register_gauge(name, documentation, context=context, labels=["context"], read=read)
    for context in dead_letters.hearing_contexts():
        for name, documentation, status in (
            ("shop_dead_letters", "Deliveries that wait for a human", "DEAD"),
            ("shop_deliveries_retrying", "Deliveries that wait for their next attempt", "RETRYING"),
        ):
            read = partial(_inbox, context, status)
            register_gauge(name, documentation, context=context, labels=["context"], read=read)


def _outbox(context: str, figure: str) -> Reading:
    from shop.events.outbox import outbox_of

    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context)).filter(published_at=None)
    if figure == "quarantined":
        return {(context,): rows.filter(quarantined_at__isnull=False).count()}
    waiting = rows.filter(quarantined_at=None)
    if figure == "waiting":
        return {(context,): waiting.count()}
    age = ExpressionWrapper(Now() - Min("occurred_at"), output_field=DurationField())
    oldest = waiting.aggregate(age=age)["age"]
    return {(context,): max(0.0, oldest.total_seconds()) if oldest else 0.0}


def _inbox(context: str, status: str) -> Reading:
    from shop.events.inbox import inbox_of

    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    return {(context,): rows.filter(status=status).count()}
