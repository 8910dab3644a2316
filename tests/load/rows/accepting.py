"""Orders that are only accepted (`Prefer: respond-async`), beside the least SQL that a correct order needs, by pgbench."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from local.postgres.installation import account, binaries
from local.processes import StartFailed
from tests.load import generator, people
from tests.load.bench import DRAIN_SECONDS, Bench
from tests.load.machine import CpuMeter
from tests.load.result import BARS, Row, middle, ratio
from tests.load.stack import ShopStack

TURNS = 2
SECONDS = 5.0
# What is accepted is carried out before the audit: no more than a slow worker gets done in time.
MOST = 800
# Before the clock starts: each session plans a prepared statement anew for its first five calls.
WARM_UP = 200
TABLES = f"""
CREATE TABLE stock (sku int PRIMARY KEY, available int NOT NULL CHECK (available >= 0));
INSERT INTO stock SELECT sku, {people.PLENTY} FROM generate_series(1, {people.SKUS}) AS sku;
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, key bigint NOT NULL, status text NOT NULL,
    total int NOT NULL, UNIQUE (customer, key));
CREATE TABLE lines (order_id bigint NOT NULL REFERENCES orders, sku int NOT NULL, quantity int NOT NULL,
    PRIMARY KEY (order_id, sku));
CREATE TABLE payments (order_id bigint PRIMARY KEY, intent text UNIQUE, status text NOT NULL);
CREATE TABLE outbox (id bigserial PRIMARY KEY, order_id bigint NOT NULL, type text NOT NULL, published_at timestamptz);
CREATE INDEX ON outbox (id) WHERE published_at IS NULL;
"""
# Two transactions: the order with its stock before the card is asked, the money and the end after it; each fact in its own.
SCRIPT = f"""
\\set sku random(1, {people.SKUS})
\\set customer random(1, {people.CUSTOMERS})
\\set id random(1, 9000000000000000000)
\\startpipeline
BEGIN;
INSERT INTO orders VALUES (:id, :customer, :id, 'PENDING', 1250);
INSERT INTO lines VALUES (:id, :sku, 1);
INSERT INTO payments VALUES (:id, NULL, 'NEW');
UPDATE stock SET available = available - 1 WHERE sku = :sku;
INSERT INTO outbox (order_id, type) VALUES (:id, 'order.placed');
COMMIT;
BEGIN;
UPDATE payments SET status = 'CAPTURED', intent = 'pi_' || :id::bigint WHERE order_id = :id;
UPDATE orders SET status = 'CONFIRMED' WHERE id = :id AND status = 'PENDING';
INSERT INTO outbox (order_id, type) VALUES (:id, 'order.confirmed');
COMMIT;
\\endpipeline
"""


def async_accept(bench: Bench) -> list[Row]:
    """Orders accepted a second, sixty-four clients, workers paused; pgbench's least SQL of an order, eight clients."""
    shop = bench.shop()
    url = bench.cluster.make_database("least")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
    accepted, least, latencies, drains, cpu, shares = [], [], [], [], [], []
    for _turn in range(TURNS):
        with shop.paused():
            least.append(_pgbench(url))
            _accept(shop, WARM_UP)
            meter = CpuMeter(shop.groups())
            outcome = _accept(shop, MOST)
            used, others = meter.stop()
        cpu.append(
            {group: round(1000 * ratio(used_seconds, outcome.done(202)), 2) for group, used_seconds in used.items()}
        )
        shares.append(round(others, 2))
        accepted.append(ratio(outcome.done(202), outcome.seconds))
        latencies.append(outcome.percentile(0.99))
        drains.append(shop.wait_until_drained(seconds=2 * DRAIN_SECONDS))
        bench.say(f"pgbench {least[-1]:6.0f} orders/s   shop {accepted[-1]:6.0f} accepted/s, {outcome.samples}")
    details = {"accepted_per_second": accepted, "pgbench_per_second": least, "drain_seconds": drains,
               "p99_ms": [round(1000 * each, 1) for each in latencies], "cpu_ms_an_order": cpu,
               "others_share_of_the_machine": shares}  # fmt: skip
    return [Row(BARS["async_accept"], ratio(middle(accepted), middle(least)), details)]


def _accept(shop: ShopStack, most: int) -> generator.Outcome:
    """Place so many orders that are only accepted, for SECONDS at most."""
    return generator.load(shop, clients=64, seconds=SECONDS, most=most, good=202, headers={"Prefer": "respond-async"})


def _pgbench(url: str) -> float:
    """Return the transactions a second of the script."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as script:
        script.write(SCRIPT)
        script.flush()
        done = subprocess.run(
            [str(Path(binaries(account())) / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client=8", "--jobs=2",
             f"--time={SECONDS:.0f}", f"--file={script.name}", url],
            capture_output=True, text=True, check=False, env=os.environ,
        )  # fmt: skip
    if found := re.search(r"tps = ([\d.]+)", done.stdout):
        return float(found.group(1))
    raise StartFailed(f"pgbench: {done.stdout[-500:]}\n{done.stderr[-1500:]}")
