"""A shop at which nobody orders: what its processes do all day."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.load.bench import Bench
from tests.load.machine import CpuMeter
from tests.load.result import BARS, Row

SECONDS = 20.0
# RabbitMQ's own timers are not work of the shop.
NOT_COUNTED = ("sandbox", "generator", "broker")


def idle(bench: Bench) -> list[Row]:
    """CPU, statements and log lines a second of web, workers, beat and PostgreSQL."""
    shop = bench.shop()
    shop.wait_until_drained(seconds=60)
    time.sleep(5)
    meter = CpuMeter(shop.groups())
    time.sleep(SECONDS)
    used, others = meter.stop()
    milliseconds = {group: round(1000 * seconds / SECONDS, 1) for group, seconds in used.items()}
    with bench.cluster.statements_logged() as log:
        log.statements(shop.database)
        lines = _lines(shop.home / "log")
        time.sleep(SECONDS / 2)
        sent = log.statements(shop.database)
        lines = _lines(shop.home / "log") - lines
    common = Counter(f"{each.application}: {each.text[:110]}" for each in sent).most_common(12)
    counted = sum(ms for group, ms in milliseconds.items() if group not in NOT_COUNTED)
    return [
        Row(BARS["idle_cpu"], round(counted, 1), {"by_group": milliseconds, "others_share_of_the_machine": others}),
        Row(BARS["idle_statements"], round(len(sent) / (SECONDS / 2), 1), {"most": [f"{n} x {s}" for s, n in common]}),
        Row(BARS["idle_lines"], round(lines / (SECONDS / 2), 1)),
    ]


def _lines(folder: Path) -> int:
    """Return how many lines the shop's processes have logged; the sandbox is none of them."""
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.log") if file.stem != "sandbox")
