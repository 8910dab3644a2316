"""Brings an order into every state in which one can wait, and writes it down (see record.py; the suite leaves it alone)."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from local.stripe.store import TABLES
from orders.models import Order
from shop.clock import now
from shop.events.event import registry
from shop.events.outbox import OutboxMessage
from shop.models import IdempotencyKey, User
from tests.driver.provider import SECRET, Provider, close_provider_connection
from tests.driver.tables import context_models, rows_of
from tests.proof.crashes.children import live
from tests.proof.crashes.enumeration import settle
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.upgrade.releases import Json, Release
from tests.proof.upgrade.scenes import NEXT, WAITS, WAYS, StockCounted
from tests.proof.upgrade.shapes import shape_of, states_seen, states_there_are

SKU = re.compile(r"(?<![A-Za-z0-9])MUG(?![A-Za-z0-9])")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """The file in which the provider keeps its books."""
    return tmp_path / "provider.sqlite3"


@pytest.fixture
def provider(books: Path, database: None, settings: Any) -> Iterator[Provider]:
    command = [
        sys.executable,
        "-m",
        "local.stripe",
        "--port",
        "0",
        "--secret-key",
        "sk_test_sandbox",
        "--database",
        str(books),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        settings.STRIPE_API_BASE = url
        settings.BREAKER_MINIMUM_CALLS = 1000
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        running = Provider(url)
        yield running
        running.close()
        close_provider_connection()
        process.terminate()


class Recorder:
    """Collects what is in flight, one order after the other, as if they had all been in one shop."""

    def __init__(self, provider: Provider, books: Path) -> None:
        self.provider, self.books = provider, books
        self.rows: list[tuple[str, Json]] = []
        self.provider_rows: list[tuple[str, Json]] = []
        self.scenes: list[Json] = []
        self.messages: dict[str, Json] = {}
        self.states: set[str] = set()
        self._shapes: set[str] = set()

    def keep(self, journey: Journey, name: str, *, then: str) -> None:
        """Keep the present state if it is one that was not there before."""
        self.listen()
        orders = list(Order.objects.all())
        if not orders:
            return
        order_id = orders[0].pk
        shape = f"{journey.name} {shape_of(self.provider, order_id)}"
        if shape in self._shapes:
            return
        self._shapes.add(shape)
        self.states |= states_seen()
        sku = f"MUG-{len(self.scenes) + 1:03}"
        kept: list[type[Model]] = [*context_models(), User, IdempotencyKey]
        for model in kept:
            for row in json.loads(SKU.sub(sku, rows_of(model))):
                self.rows.append((model._meta.db_table, row))
        self.provider_rows += self._provider_rows()
        self.scenes.append(
            {
                "name": f"{journey.name}: {name}",
                "order_id": str(order_id),
                "customer": journey.shopper.user.email,
                "sku": sku,
                "then": then,
                "expected": {
                    "status": journey.status,
                    "money": list(journey.money),
                    "stock": list(journey.stock),
                    "mails": journey.mails,
                    "bookings": journey.bookings,
                },
            }
        )

    def listen(self) -> None:
        """Keep the first event of each type and version, as it travels."""
        for model in context_models():
            if issubclass(model, OutboxMessage):
                for row in model._default_manager.order_by("id"):
                    told = json.loads(SKU.sub("MUG-001", json.dumps(row.envelope().to_json())))
                    self.messages.setdefault(f"{row.type}.v{row.schema_version}", told)

    def _provider_rows(self) -> Iterator[tuple[str, Json]]:
        with sqlite3.connect(self.books) as connection:
            connection.row_factory = sqlite3.Row
            for table in TABLES:
                for row in connection.execute(f"SELECT * FROM {table}"):
                    yield table, {name: row[name] for name in row.keys() if name != "seq"}  # noqa: SIM118  a Row

    def write(self, release: Release) -> None:
        """Write it all down. Raises: AssertionError where a state or an event is missing."""
        missing = states_there_are() - self.states
        assert not missing, f"no order was brought into: {sorted(missing)}"
        untold = {
            f"{event.type}.v{event.version}" for event in registry.values() if not event.__module__.startswith("tests.")
        }
        untold -= set(self.messages)
        assert not untold, f"nothing made these events: {sorted(untold)}"
        shutil.rmtree(release.folder, ignore_errors=True)
        (release.folder / "messages").mkdir(parents=True)
        for name, message in self.messages.items():
            (release.folder / "messages" / f"{name}.json").write_text(json.dumps(message, indent=2) + "\n")
        for name, rows in (("rows", self.rows), ("provider", self.provider_rows)):
            lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
            (release.folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
        about = {
            "version": release.version,
            "recorded_at": now().isoformat(),
            "leaves": sorted(map(list, MigrationLoader(connections["default"]).graph.leaf_nodes())),
            "states": sorted(self.states),
            "scenes": self.scenes,
        }
        (release.folder / "release.json").write_text(json.dumps(about, indent=1) + "\n")


@pytest.mark.skipif("RECORD_RELEASE" not in os.environ, reason="run by `python -m tests.proof.upgrade.record`")
def test_record(provider: Provider, books: Path, drain: Callable[[], None], settings: Any) -> None:
    recorder = Recorder(provider, books)
    for wait in WAITS:
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0 if wait.money == (1, 0) else 0.0
        waiting = wait(provider, drain)
        waiting.begin()
        waiting.suspend()
        recorder.keep(waiting, "in flight", then=waiting.then)
        settle()
        recorder.listen()
    for kind in WAYS:
        settings.SANDBOX_CARRIER_TRANSIT_SECONDS = kind.transit_seconds
        journey = kind(provider, drain)
        journey.begin()
        points = live(journey.act).points
        recorder.listen()
        settle()
        recorder.listen()
        for number, point in enumerate(points):
            if point.startswith("after"):
                journey.begin()
                live(journey.act, die_at=number)
                recorder.keep(journey, f"died {point}", then=NEXT.get(journey.name, ""))
    counted = StockCounted(provider, drain)
    counted.begin()
    counted.act(lambda _answer: None)
    recorder.listen()
    recorder.write(Release(os.environ["RECORD_RELEASE"]))
