"""Metrics: counters and histograms of every process, and figures read from the database when Prometheus scrapes.

What a process counts goes through prometheus_client (files in PROMETHEUS_MULTIPROC_DIR where there are several
processes). What the database knows is read at the scrape, cached, with a short limit: a database that is away costs
its own figures, never /metrics. Every web process of every pod reports the same database figures: take max() over them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import structlog
from django.db import DatabaseError, connections
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shop import transactions
from shop.observability import folding
from shop.resilience.apart import Apart, Unanswered
from shop.serving import any_address

CACHE_SECONDS = 5.0
STATEMENT_TIMEOUT_MILLISECONDS = 1000
# Shorter than Prometheus waits for a scrape (10 s).
SCRAPE_LIMIT_SECONDS = 6.0
LEFT_OUT_SECONDS = 60.0

log = structlog.get_logger(__name__)
# Of several databases one that hangs may not use up the time of the others.
ONE_OF_SEVERAL_SECONDS = 2.0
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


def gauges() -> tuple[Gauge, ...]:
    """Return every registered gauge."""
    return tuple(_gauges.values())


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
        self._left_out: dict[tuple[str, str], float] = {}
        self._metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures, and which contexts could not be read."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= CACHE_SECONDS:
                self._metrics = self._read_in_time()
                self._read_at = self._clock()
            metrics = list(self._metrics)
        yield from metrics

    def _read_in_time(self) -> list[Metric]:
        """Read each database on a thread of its own, one after the other: one that hangs costs its own figures only."""
        contexts_of: defaultdict[str, list[str]] = defaultdict(list)
        for context in sorted({gauge.context for gauge in _gauges.values()}):
            contexts_of[transactions.alias_for(context)].append(context)
        until = time.monotonic() + SCRAPE_LIMIT_SECONDS
        found: dict[str, list[tuple[Gauge, Reading]] | None] = {}
        for alias, contexts in contexts_of.items():
            left = max(0.0, until - time.monotonic())
            within = left if len(contexts_of) == 1 else min(left, ONE_OF_SEVERAL_SECONDS)
            try:
                found |= _apart(alias).ask(partial(self._read_contexts, contexts), within=within)
            except Unanswered as silence:
                # A database that hangs is as unreadable as one that is away; /ready tells which one it is.
                log.warning("metrics.database_unreadable", database=alias, error=str(silence))
                found |= dict.fromkeys(contexts)
        return self._told(found)

    def _told(self, found: Mapping[str, list[tuple[Gauge, Reading]] | None]) -> list[Metric]:
        """Return the metrics of what was read, by context; None where its database could not be."""
        families: dict[str, GaugeMetricFamily] = {}
        readable = GaugeMetricFamily(
            "shop_database_readable", "Whether a context's figures could be read", None, ["context"]
        )
        unreadable = GaugeMetricFamily(
            "shop_figure_unreadable", "Figures that could not be read lately", None, ["context", "figure"]
        )
        for context, readings in found.items():
            readable.add_metric([context], float(readings is not None))
            for gauge, reading in readings or ():
                family = families.setdefault(
                    gauge.name, GaugeMetricFamily(gauge.name, gauge.documentation, None, gauge.labels)
                )
                for values, figure in reading.items():
                    family.add_metric(values, figure)
        for name, context in list(self._left_out):
            unreadable.add_metric([context, name], 1.0)
        return [*families.values(), readable, unreadable]

    def _read_contexts(self, contexts: Iterable[str]) -> dict[str, list[tuple[Gauge, Reading]] | None]:
        """Read the gauges of contexts in one database; None from the first on that finds it away."""
        found: dict[str, list[tuple[Gauge, Reading]] | None] = dict.fromkeys(contexts)
        for context in found:
            try:
                found[context] = self._read_context(context)
            except DatabaseError as error:
                # One wait for a database that is away is enough for one scrape.
                log.warning("metrics.database_unreadable", context=context, error=repr(error))
                break
        return found

    def _read_context(self, context: str) -> list[tuple[Gauge, Reading]]:
        """Read the gauges of a context together, each alone where one of them fails. Raises: DatabaseError.

        One that failed or took too long is left out for LEFT_OUT_SECONDS: it neither blinds nor delays the others.
        """
        present = self._clock()
        self._left_out = {key: until for key, until in self._left_out.items() if until > present}
        gauges = [gauge for key, gauge in _gauges.items() if gauge.context == context and key not in self._left_out]
        try:
            return self._read_together(context, gauges)
        except DatabaseError as error:
            if not _is_about_the_statement(error):
                raise
        found = []
        for gauge in gauges:
            try:
                found += self._read_together(context, [gauge])
            except DatabaseError as error:
                if not _is_about_the_statement(error):
                    raise
                self._leave_out(gauge)
                log.warning("metrics.gauge_unreadable", gauge=gauge.name, context=context, error=repr(error))
        return found

    def _read_together(self, context: str, gauges: Iterable[Gauge]) -> list[tuple[Gauge, Reading]]:
        """Read gauges of a context in one transaction. Raises: DatabaseError."""
        alias = transactions.alias_for(context)
        connections[alias].close_if_unusable_or_obsolete()
        found: list[tuple[Gauge, Reading]] = []
        with transactions.transaction(context):
            with connections[alias].cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MILLISECONDS}")
                cursor.execute("SET TRANSACTION READ ONLY")
            for gauge in gauges:
                try:
                    found.append((gauge, gauge.read()))
                except DatabaseError:
                    raise
                except Exception:
                    # A bug in one figure must not blind the others.
                    self._leave_out(gauge)
                    log.exception("metrics.gauge_failed", gauge=gauge.name, context=context)
        return found

    def _leave_out(self, gauge: Gauge) -> None:
        self._left_out[gauge.name, gauge.context] = self._clock() + LEFT_OUT_SECONDS


def _is_about_the_statement(error: DatabaseError) -> bool:
    """Return whether PostgreSQL answered and goes on: 57P is its shutdown, and what has no code never reached it."""
    code = getattr(error.__cause__, "sqlstate", None)
    return code is not None and not code.startswith("57P")


@cache
def _apart(alias: str) -> Apart:
    return Apart(f"scrape {alias}")


database_collector = DatabaseCollector()


class _Everything:
    """This process's metrics (all processes' in multiprocess mode) and the database's."""

    def collect(self) -> Iterator[Metric]:
        yield from _processes()
        yield from database_collector.collect()


def _processes() -> Iterable[Metric]:
    """Return what this process counted; in multiprocess mode what all did, those that ended included."""
    if not (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")):
        return REGISTRY.collect()
    folding.fold(Path(folder))
    with folding.unchanged(Path(folder)):
        found: Iterable[Metric] = MultiProcessCollector(None, folder).collect()  # type: ignore[no-untyped-call]
    return found


def exposition(accept: str) -> tuple[bytes, str]:
    """Return the body of /metrics and its content type, as the scraper prefers it."""
    encode, content_type = choose_encoder(accept)
    return encode(_Everything()), content_type


def serve(port: int) -> None:
    """Serve the metrics of a process that answers no HTTP otherwise (workers), on a thread of its own."""
    registry = CollectorRegistry()
    registry.register(_Processes())
    start_http_server(port, addr=any_address(), registry=registry)
    log.info("metrics.serving", port=port)


class _Processes(Collector):
    def collect(self) -> Iterable[Metric]:
        return _processes()
