"""A provider that takes 300 ms (or BENCH_CALL_SECONDS) for each call, and many customers who wait for it at once."""

from __future__ import annotations

import os
import threading
from typing import Self

import requests

from tests.load import generator
from tests.load.bench import DRAIN_SECONDS, Bench
from tests.load.result import BARS, Row, ratio
from tests.load.stack import ShopStack

CLIENTS = 256
THREADS = 128
# Of each of the two web processes.
POOL = 8
CALL_SECONDS = float(os.environ.get("BENCH_CALL_SECONDS", "0.3"))
CALLS = 3
SECONDS = 10.0
PACED_PER_SECOND = 15.0


def slow_provider(bench: Bench) -> list[Row]:
    """p50 of POST against the three calls alone, and the sessions that the web processes hold meanwhile."""
    bench.leave()
    # Everybody is let in: the row is about what a full house costs.
    shop = ShopStack(
        bench.cluster, name="shop_slow", threads=THREADS, pool=POOL, MAX_ORDERS_AT_WORK=str(THREADS), **bench.seen
    )
    bench.add("slow", shop)
    shop.start()
    shop.warm_up()
    slow = {"match": {"method": "POST", "path": "/v1/payment_intents*"}, "delay_seconds": CALL_SECONDS, "times": None}
    requests.post(f"{shop.sandbox_url}/sandbox/faults", json={"fault": "late", **slow}, timeout=5).raise_for_status()
    with Sessions(shop) as sessions:
        full = generator.load(shop, clients=CLIENTS, seconds=SECONDS)
        shop.wait_until_drained(seconds=DRAIN_SECONDS)
        paced = generator.load(shop, clients=CLIENTS, seconds=SECONDS, think_seconds=CLIENTS / PACED_PER_SECOND)
    requests.delete(f"{shop.sandbox_url}/sandbox/faults", timeout=5).raise_for_status()
    shop.wait_until_drained(seconds=DRAIN_SECONDS)
    bench.say(
        f"p50 {1000 * full.percentile(0.5):.0f} ms at {ratio(full.done(), full.seconds):.0f} orders/s, {full.done(503)} times"
        f" told to come again; paced at"
        f" {PACED_PER_SECOND:.0f} a second {1000 * paced.percentile(0.5):.0f} ms; {sessions.most} sessions"
    )
    details = {
        "seconds_a_call": CALL_SECONDS,
        "per_second": ratio(full.done(), full.seconds),
        "p50_ms": 1000 * full.percentile(0.5),
        "p99_ms": 1000 * full.percentile(0.99),
        "answers": {str(status): count for status, count in full.statuses.items()},
        "refused": full.samples,
        "paced": {
            "offered_per_second": PACED_PER_SECOND,
            "p50_ms": 1000 * paced.percentile(0.5),
            "p99_ms": 1000 * paced.percentile(0.99),
            "ratio": ratio(paced.percentile(0.5), CALLS * CALL_SECONDS),
            "answers": {str(status): count for status, count in paced.statuses.items()},
        },
    }
    return [
        Row(BARS["slow_provider"], ratio(full.percentile(0.5), CALLS * CALL_SECONDS), details),
        Row(BARS["slow_connections"], sessions.most, {"pool_of_each_web_process": POOL}),
    ]


class Sessions:
    """Watches how many sessions the web processes hold."""

    def __init__(self, shop: ShopStack) -> None:
        self.most = 0
        self._shop = shop
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop-web' AND datname = %s"
        with self._shop.connect() as connection:
            while not self._ended.wait(0.2):
                self.most = max(self.most, connection.execute(count, [self._shop.database]).fetchone()[0])
