"""Looks at the shop once a second: backlogs, memory, sessions; and asks its probes all the time, as an orchestrator does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, cast

import amqp
import kombu
import psycopg
import requests

from shop.contexts import CONTEXTS
from shop.topology import HEARING
from tests.load.soak.shop import SoakShop

EVERY_SECONDS = 1.0
# As docker/kubernetes asks: the limit in seconds of each probe; /metrics as Prometheus asks.
PROBES = {"/health": (1.0, 5.0), "/ready": (5.0, 4.0), "/metrics": (15.0, 10.0)}
# Each reads an index of what waits, never a table that grows.
BACKLOGS = {
    "outbox": " + ".join(
        f"(SELECT count(*) FROM {context}.{context}_outbox WHERE published_at IS NULL AND quarantined_at IS NULL)"
        for context in CONTEXTS
    ),
    "inbox": " + ".join(
        f"(SELECT count(*) FROM {context}.{context}_inbox WHERE status = 'RETRYING')" for context in HEARING
    ),
    "webhooks": "(SELECT count(*) FROM payments.payments_webhookevent WHERE applied_at IS NULL)",
    "sagas": "(SELECT count(*) FROM orders.orders_saga WHERE finished_at IS NULL AND due_at < now() - interval '2 s')",
    "mails": "(SELECT count(*) FROM notifications.notifications_email WHERE status = 'PENDING')",
    "parcels": "(SELECT count(*) FROM shipping.shipping_shipment WHERE status = 'PENDING')",
    "holds": "(SELECT count(*) FROM inventory.inventory_reservation WHERE status = 'HELD' AND expires_at < now())",
}
# Beside them: what waits in RabbitMQ for a worker.
QUEUES = "queues"
PARKED = "(SELECT count(*) FROM orders.orders_saga WHERE parked_at IS NOT NULL)"
DEAD = " + ".join(f"(SELECT count(*) FROM {context}.{context}_inbox WHERE status = 'DEAD')" for context in HEARING)
SESSIONS = (
    "SELECT coalesce(nullif(application_name, ''), 'unnamed'), count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name <> 'bench' AND backend_type = 'client backend' GROUP BY 1"
)


@dataclass(frozen=True)
class Sample:
    """The shop at one moment (time.monotonic()). Where the database is away only `memory` is known; MB by process."""

    at: float
    memory: dict[str, float]
    backlog: dict[str, int] | None = None
    sessions: dict[str, int] | None = None
    parked: int = 0
    dead: int = 0


@dataclass(frozen=True)
class Probe:
    """One answer of a probe: its status (0: none came in time) and how long it took, in seconds."""

    at: float
    path: str
    status: int
    seconds: float


@dataclass
class Watch:
    """Samples and probes, taken by threads of their own from entering to leaving."""

    shop: SoakShop
    samples: list[Sample] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._broker = kombu.Connection(self.shop.cluster.broker_url)
        self._members = self.shop.members()
        self._threads = [threading.Thread(target=self._every, args=(EVERY_SECONDS, self._sample))]
        for path, (every, limit) in PROBES.items():
            ask = self._asking(path, limit)
            self._threads.append(threading.Thread(target=self._every, args=(every, ask)))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._connection is not None:
            self._connection.close()
        self._broker.release()

    def _every(self, seconds: float, do: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            do()
            due = max(due + seconds, time.monotonic())

    def _sample(self) -> None:
        memory = {member.name: member.anonymous_megabytes() for member in self._members}
        now = time.monotonic()
        try:
            if self._connection is None:
                self._connection = self.shop.connect()
            backlog, parked, dead = self._backlogs(self._connection)
            sessions = dict(self._connection.execute(SESSIONS).fetchall())
        except psycopg.OperationalError:
            self._connection = None
            self.samples.append(Sample(now, memory))
            return
        self.samples.append(Sample(now, memory, backlog | {QUEUES: self._messages()}, sessions, parked, dead))

    def _messages(self) -> int:
        """Return how many messages wait for a worker, those of its events; a worker holds a few more."""
        channel = cast("amqp.Channel", self._broker.default_channel)
        names = [f"{self.shop.environment['EVENTS_NAMESPACE']}{context}.events" for context in HEARING]
        return sum(channel.queue_declare(name, passive=True)[1] for name in names)

    def _backlogs(self, connection: psycopg.Connection[Any]) -> tuple[dict[str, int], int, int]:
        asked = [*BACKLOGS.values(), PARKED, DEAD]
        row: tuple[Any, ...] = connection.execute("SELECT " + ", ".join(asked)).fetchone() or ()
        return dict(zip(BACKLOGS, row, strict=False)), row[-2], row[-1]

    def _asking(self, path: str, limit: float) -> Callable[[], None]:
        def ask() -> None:
            began = time.monotonic()
            try:
                status = requests.get(f"{self.shop.probes_url}{path}", timeout=limit).status_code
            except requests.RequestException:
                status = 0
            self.probes.append(Probe(began, path, status, time.monotonic() - began))

        return ask
