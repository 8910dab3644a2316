"""The bus from a backlog: what the relay publishes and a worker applies, beside bare Celery on the same broker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from uuid import uuid4

import psycopg
from kombu import Connection

from local.processes import Process, StartFailed, python
from tests.driver.rabbitmq import channel_of
from tests.load.bench import Bench
from tests.load.result import BARS, Row, middle, no_result, ratio
from tests.load.stack import run

EVENTS = 1200
TASKS = 1500
TURNS = 2
PATIENCE_SECONDS = 120.0
# As docker/entrypoint.sh starts one, with one process.
QUIET = ("--concurrency=1", "--loglevel=INFO", "--without-heartbeat", "--without-gossip", "--without-mingle")


class BusBench:
    """A shop of which only the bus runs: a database of its own, filled with confirmed orders' facts."""

    def __init__(self, bench: Bench) -> None:
        bench.leave()
        self.bench = bench
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.load.settings",
            "DATABASE_URL": bench.cluster.make_database("shop_bus"),
            "BROKER_URL": bench.cluster.broker_url,
            "EVENTS_NAMESPACE": f"bus-{uuid4().hex[:6]}.",
            "EVENTS_WAKE_IN_PROCESS": "False",
            "LOG_FORMAT": "json",
            "SHOP_ROLE": "deliveries",
        }
        run(("manage.py", "migrate_all"), self.environment)

    def ask(self, *arguments: str) -> dict[str, float]:
        """Run one of the jobs of tests.load.bus_jobs."""
        told: dict[str, float] = json.loads(run(("-m", "tests.load.bus_jobs", *arguments), self.environment))
        return told

    def worker(self, name: str, *arguments: str) -> Process:
        """Start a worker of one process."""
        process = Process(
            name,
            python("-m", "celery", *arguments, *QUIET, f"--hostname={name}@localhost"),
            environment=self.environment | {"LOG_LEVEL": "INFO"},
            log=self.bench.cluster.home / "bus" / f"{name}.log",
        )
        process.start()
        return process

    def close(self) -> None:
        """Delete the queues."""
        run(("-m", "tests.load.forget_queues"), self.environment)
        self.ask("forget")


def relay(bench: Bench) -> list[Row]:
    """Events a second from a full outbox to the broker's confirms; one confirmed apply_async after the other."""
    bus = BusBench(bench)
    rates: dict[str, list[float]] = {"relay": [], "apply_async": []}
    try:
        for _turn in range(TURNS + 1):
            rates["apply_async"].append(bus.ask("apply_async", str(TASKS))["per_second"])
            bus.ask("fill", str(EVENTS))
            rates["relay"].append(bus.ask("relay")["per_second"])
            bench.say(f"apply_async {rates['apply_async'][-1]:6.0f}/s   relay {rates['relay'][-1]:6.0f} events/s")
    finally:
        bus.close()
    return [Row(BARS["relay"], ratio(middle(rates["relay"]), middle(rates["apply_async"])), {"per_second": rates})]


def facts(bench: Bench) -> list[Row]:
    """Deliveries a second that one worker process applies from a backlog; bare tasks a second of one that does nothing."""
    bus = BusBench(bench)
    rates: dict[str, list[float]] = {"facts": [], "tasks": []}
    try:
        for turn in range(TURNS):
            rates["tasks"].append(_bare(bus, turn))
            rates["facts"].append(_facts(bus, turn))
            bench.say(f"bare tasks {rates['tasks'][-1]:6.0f}/s   facts {rates['facts'][-1]:6.0f}/s")
        if broken := _applied_wrongly(bus):
            return no_result(["facts"], broken)
    except StartFailed as error:
        return no_result(["facts"], str(error))
    finally:
        bus.close()
    return [Row(BARS["facts"], ratio(middle(rates["facts"]), middle(rates["tasks"])), {"per_second": rates})]


def _facts(bus: BusBench, turn: int) -> float:
    """Fill the queues of those who hear of confirmed orders, then start the worker; its first deliveries start the clock."""
    bus.ask("fill", str(EVENTS))
    bus.ask("relay")
    with psycopg.connect(bus.environment["DATABASE_URL"], autocommit=True) as connection:
        before = _applied(connection)
        worker = bus.worker(f"facts{turn}", "-A", "config", "worker")
        try:
            return _rate(worker, lambda: _applied(connection) - before, 2 * EVENTS)
        finally:
            worker.kill()


def _applied(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM notifications.notifications_inbox WHERE status = 'PROCESSED')"
        " + (SELECT count(*) FROM shipping.shipping_inbox WHERE status = 'PROCESSED')"
    ).fetchone()
    return int(row[0])


def _bare(bus: BusBench, turn: int) -> float:
    """Fill a queue with tasks that do nothing, then start the worker."""
    bus.ask("apply_async", str(TASKS))
    worker = bus.worker(f"bare{turn}", "-A", "tests.load.bare", "worker")
    try:
        with channel_of(Connection(bus.environment["BROKER_URL"])) as channel:
            queue = f"{bus.environment['EVENTS_NAMESPACE']}bare"
            return _rate(worker, lambda: TASKS - channel.queue_declare(queue, passive=True)[1], TASKS)
    finally:
        worker.kill()


def _rate(worker: Process, done: Callable[[], int], wanted: int) -> float:
    """Return how many were done a second, between the first tenth and the last: starting and ending left out."""
    began = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    first = 0
    while (count := done()) < wanted:
        now = time.monotonic()
        if began is None and count >= wanted / 10:
            began, first = now, count
        if now > deadline or not worker.is_running():
            raise StartFailed(f"{worker.name}: {count} of {wanted} after {PATIENCE_SECONDS:.0f} s\n{worker.tail()}")
        time.sleep(0.02)
    return (wanted - first) / (time.monotonic() - began) if began else float("nan")


def _applied_wrongly(bus: BusBench) -> str:
    """Return what is wrong with the effects: a mail and a shipment for each fact, once."""
    with psycopg.connect(bus.environment["DATABASE_URL"], autocommit=True) as connection:
        found = connection.execute(
            "SELECT (SELECT count(DISTINCT order_id) FROM notifications.notifications_email),"
            " (SELECT count(*) FROM notifications.notifications_email),"
            " (SELECT count(*) FROM shipping.shipping_shipment),"
            " (SELECT count(*) FROM orders.orders_outbox WHERE published_at IS NULL)"
        ).fetchone()
    wanted = (TURNS * EVENTS, TURNS * EVENTS, TURNS * EVENTS, 0)
    return "" if found == wanted else f"orders mailed, mails, shipments, unpublished: {found}, wanted {wanted}"
