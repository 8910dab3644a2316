"""A row of the table: what was measured, how it stands to its bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Bar:
    """What a row is held against. `lower_is_better` makes `least` an upper bound."""

    name: str
    what: str
    least: float
    aim: float
    before: float | None
    unit: str = "ratio"
    lower_is_better: bool = False


@dataclass
class Row:
    """One row with its value; None where it could not be measured, and `note` says why."""

    bar: Bar
    value: float | None
    details: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    skipped: bool = False
    # Which share of the machine others had while the scenario ran, 0 to 1.
    others: float = 0.0

    @property
    def verdict(self) -> str:
        """Say how it stands: aim, ok, below; without a value: not measured, or no result where it should have one."""
        if self.value is None or math.isnan(self.value):
            return "not measured" if self.skipped else "no result"
        better = (lambda a, b: a <= b) if self.bar.lower_is_better else (lambda a, b: a >= b)
        return "aim" if better(self.value, self.bar.aim) else "ok" if better(self.value, self.bar.least) else "below"

    def to_json(self) -> dict[str, Any]:
        """Return it for var/bench.json."""
        bound = "at_most" if self.bar.lower_is_better else "at_least"
        return {
            "name": self.bar.name,
            "what": self.bar.what,
            "unit": self.bar.unit,
            "ratio": self.value,
            bound: self.bar.least,
            "aim": self.bar.aim,
            "before": self.bar.before,
            "verdict": self.verdict,
            "note": self.note,
            "others_share_all_along": round(self.others, 2),
            **self.details,
        }


BARS = {
    bar.name: bar
    for bar in (
        Bar("cpu", "CPU of a confirmed and drained order, 1 client / the article's", 1.4, 0.7, 13, lower_is_better=True),
        Bar("rate8", "orders/s confirmed and drained, spread, 8 clients / the article's", 0.8, 2, 0.11),
        Bar("rate64", "the same, 64 clients", 1.3, 3, 0.22),
        Bar("hot64", "the same on one hot SKU, 64 clients", 1.5, 5, 0.28),
        Bar("request8", "requests/s, workers paused, 8 clients / the article's", 1.3, 2.5, 0.43),
        Bar("request_statements", "statements of the request", 16, 12, 73, "statements", lower_is_better=True),
        Bar("request_commits", "writing commits of the request", 9, 8, 11, "commits", lower_is_better=True),
        Bar("p99_64", "p99 of POST at 64 clients / the article's", 0.7, 0.3, 3.2, lower_is_better=True),
        Bar("own_spread", "rate64 with a provider that costs nothing, both", 0.7, 1.5, 0.06),
        Bar("own_hot", "hot64 with a provider that costs nothing, both", 1.5, 5, 0.15),
        Bar("reserve_hot", "reserve_stock/s, 64 threads, one SKU / the article's", 10, 40, 0.5),
        Bar("reserve_spread", "reserve_stock/s, 64 threads, spread / the article's", 7, 20, 0.55),
        Bar("expiry", "20,000 holds that end together expired by one worker process", 10, 5, None, "seconds",
            lower_is_better=True),
        Bar("async_accept", "respond-async orders accepted/s / pgbench's least SQL of an order", 0.15, 0.4, 0.026),
        Bar("relay", "events/s relayed and confirmed / one apply_async at a time", 12, 25, 3),
        Bar("facts", "facts/s applied by a worker process from a backlog / bare Celery tasks", 2, 8, 0.2),
        Bar("hearing", "commit to handler, p50, 8 clients", 20, 3, None, "broker round trips", lower_is_better=True),
        Bar("hearing_p99", "commit to handler, p99, 8 clients", 100, 15, None, "broker round trips", lower_is_better=True),
        Bar("slow_provider", "p50 of POST, provider at 300 ms, 256 clients / the three calls", 1.4, 1.1, None,
            lower_is_better=True),
        Bar("slow_connections", "connections to PostgreSQL meanwhile", 32, 16, None, "connections", lower_is_better=True),
        Bar("oscar", "orders/s with three lines / django-oscar's best", 1.5, 5, 0.1),
        Bar("growth", "the dearest of placing, reading, sweeping, relaying, metrics, admin home at many orders / 10^3",
            1.2, 1.05, 6, lower_is_better=True),
        Bar("idle_cpu", "CPU of an idle shop", 10, 5, 67, "ms a second", lower_is_better=True),
        Bar("idle_statements", "statements of an idle shop", 8, 4, 38, "a second", lower_is_better=True),
        Bar("idle_lines", "log lines of an idle shop", 0, 0, 25, "a second", lower_is_better=True),
    )
}  # fmt: skip


def middle(values: Sequence[float]) -> float:
    """Return the median, nan of nothing."""
    return median(values) if values else math.nan


def ratio(above: float, below: float) -> float:
    """Divide; nan by nothing."""
    return above / below if below else math.nan


def no_result(names: list[str], why: str) -> list[Row]:
    """Return rows without a value, and why."""
    return [Row(BARS[name], None, note=why) for name in names]
