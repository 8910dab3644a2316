"""What everyday work costs once there are many orders, against the same work when there were a thousand.

Two shops stand beside one another in one PostgreSQL, one with few orders and one with many, and every kind of work is
done at both in turns: the machine's mood meets both.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from typing import Any, Self
from uuid import uuid4

import psycopg
import requests

from local.demo.data import STAFF
from local.processes import ROOT, StartFailed, python
from tests.load import generator
from tests.load.bench import DRAIN_SECONDS, Bench
from tests.load.growing import multiply
from tests.load.growth_jobs import DONE
from tests.load.result import BARS, Row, middle, ratio
from tests.load.stack import ShopStack

SEEDS = 100
FEW = 1_000
# A million, in the campaign; what is copied in a minute, in a run of all rows.
MANY = int(os.environ.get("BENCH_GROWTH_ORDERS", "100000"))
# Calls of each kind at each shop; those before them open what stays open.
TIMES = 60
WARM_UP = 8
# Fewer orders than a customer of the small shop has: the same page at both.
PAGE = 5


def growth(bench: Bench) -> list[Row]:
    """Placing, reading, sweeping, relaying, metrics and the admin's home at many orders against a thousand."""
    bench.leave()
    with ExitStack() as exits:
        few, many = (exits.enter_context(Aged(bench, name, orders)) for name, orders in (("few", FEW), ("many", MANY)))
        for side in (few, many):
            side.settle()
        took = _take_turns(few, many)
        orders = many.orders()
    ratios = {kind: round(ratio(middle(at_many), middle(at_few)), 2) for kind, (at_few, at_many) in took.items()}
    milliseconds = {kind: [round(middle(side), 2) for side in sides] for kind, sides in took.items()}
    bench.say(f"at {orders} orders: {ratios}, ms at few and many: {milliseconds}")
    details = {"orders": orders, "ratios": ratios, "ms_at_few_and_many": milliseconds, "calls_of_each": TIMES}
    return [Row(BARS["growth"], max(ratios[kind] for kind in KINDS), details)]


def _take_turns(few: Aged, many: Aged) -> dict[str, tuple[list[float], list[float]]]:
    """Return the milliseconds of every call by kind, at few orders and at many; sweeps also one by one."""
    took: dict[str, tuple[list[float], list[float]]] = {}
    for work in KINDS.values():
        for number in range(WARM_UP + TIMES):
            # Few, many, many, few: neither always follows the other.
            for side in (few, many) if number % 2 else (many, few):
                for name, milliseconds in work(side).items():
                    if number >= WARM_UP:
                        took.setdefault(name, ([], []))[side is many].append(milliseconds)
    return took


class Aged:
    """A shop with so many orders and without background, and everybody who asks it for something."""

    def __init__(self, bench: Bench, name: str, orders: int) -> None:
        self._bench, self._name, self._orders = bench, f"grown_{name}", orders
        self.shop = ShopStack(bench.cluster, name=f"shop_{self._name}", **bench.seen)
        self.customer, self.staff = requests.Session(), requests.Session()
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._bench.add(self._name, self.shop)
        # Without an audit: the provider knows nothing of the copies.
        self._exits.callback(self._bench.forget, self._name)
        self.shop.start()
        self.shop.run("-m", "tests.load.growth_jobs", "staff")
        while (have := self.orders()) < SEEDS:
            generator.load(self.shop, clients=8, seconds=60, most=SEEDS - have)
        self.shop.wait_until_drained(seconds=DRAIN_SECONDS)
        self._tokens = cycle(self.shop.tokens)
        self.customer.headers["X-Session-Token"] = self.shop.tokens[0]
        self._end_background()
        self._grow()
        return self

    def __exit__(self, *exception: object) -> None:
        self._exits.close()

    def _end_background(self) -> None:
        """End the worker and beat: what is measured here runs without them."""
        for process in self.shop.background():
            process.kill()
            del self.shop.processes[process.name]

    def _grow(self) -> None:
        url = self.shop.environment["DATABASE_URL"]
        multiply(url, copies=FEW // SEEDS - 1, salt="few")
        if self._orders > FEW:
            multiply(url, copies=self._orders // FEW - 1, salt="many")

    def settle(self) -> None:
        """Write to disk what the copying left in memory, sign staff in and start what sweeps and relays."""
        with psycopg.connect(self._bench.cluster.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        _sign_in(self.staff, f"{self.shop.url}/admin/login/")
        self._jobs = Jobs(self.shop)
        self._exits.callback(self._jobs.stop)

    def orders(self) -> int:
        """Return how many orders there are."""
        with self.shop.connect() as connection:
            return int(connection.execute("SELECT count(*) FROM orders.orders_order").fetchone()[0])

    def place(self) -> dict[str, float]:
        """Place an order as the next customer."""
        headers = {"X-Session-Token": next(self._tokens), "Idempotency-Key": str(uuid4()),
                   "Content-Type": "application/json"}  # fmt: skip
        body = generator.order_body(hot=False)
        url = f"{self.shop.url}/api/v1/orders"
        return {
            "placing": _timed(lambda: _expect(requests.codes.created, _ORDERS.post(url, data=body, headers=headers)))
        }

    def read(self) -> dict[str, float]:
        """Read a page of a customer's orders."""
        url = f"{self.shop.url}/api/v1/orders?limit={PAGE}"
        return {"reading": _timed(lambda: _expect(requests.codes.ok, self.customer.get(url)))}

    def open_admin(self) -> dict[str, float]:
        """Open the first page of the admin."""
        url = f"{self.shop.url}/admin/"
        return {"admin home": _timed(lambda: _expect(requests.codes.ok, self.staff.get(url, allow_redirects=False)))}

    def job(self, name: str) -> dict[str, float]:
        """Have a process of the shop do a job, and return the milliseconds of what it did."""
        return self._jobs.ask(name)


_ORDERS = requests.Session()
# The row is the dearest of these; what they return besides (each sweep) is for whoever looks for a reason.
KINDS: dict[str, Callable[[Aged], dict[str, float]]] = {
    "placing": Aged.place,
    "reading": Aged.read,
    "admin home": Aged.open_admin,
    "metrics": lambda side: side.job("metrics"),
    "relaying": lambda side: side.job("relaying"),
    "sweeping": lambda side: side.job("sweeping"),
}


class Jobs:
    """A process of the shop that does one job after the other (tests.load.growth_jobs)."""

    def __init__(self, shop: ShopStack) -> None:
        self._errors = (shop.home / "jobs.log").open("wb")
        self._process = subprocess.Popen(
            python("-m", "tests.load.growth_jobs", "serve"), cwd=ROOT, text=True,
            env=os.environ | shop.environment | {"LOG_LEVEL": "WARNING", "EVENTS_WAKE_IN_PROCESS": "False"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def ask(self, name: str) -> dict[str, float]:
        """Have one job done. Raises: StartFailed where the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():
            if line.startswith(DONE):  # other lines are logs
                done: dict[str, float] = json.loads(line.removeprefix(DONE))
                return done
        raise StartFailed(f"{name}: the process that sweeps and relays has ended; see {self._errors.name}")

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._errors.close()


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return 1000 * (time.monotonic() - began)


def _expect(status: int, answer: Any) -> None:
    if answer.status_code != status:
        raise StartFailed(f"{answer.url}: {answer.status_code} {answer.text[:300]}")


def _sign_in(session: requests.Session, url: str) -> None:
    session.get(url, timeout=30)
    form = {"username": STAFF.email, "password": STAFF.password, "next": "/admin/",
            "csrfmiddlewaretoken": session.cookies["csrftoken"]}  # fmt: skip
    session.post(url, data=form, headers={"Referer": url}, timeout=30, allow_redirects=False)
