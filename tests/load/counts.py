"""What one order costs in figures that no machine changes: statements, commits, tasks, messages, log lines, spans.

`python -m tests.load.counts` prints them; test_counts.py holds them against limits.py. The order is placed over HTTP at
the whole shop as processes, alone, and counted until nothing moves any more. Beat is frozen: nothing runs but what the
order itself sets off.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.load import generator, tally
from tests.load.spans import SpanCounter
from tests.load.stack import Cluster, ShopStack
from tests.load.statements import StatementLog, transactions_in

SAMPLES = 5
QUIET_SECONDS = 0.6
PATIENCE_SECONDS = 30.0


@dataclass
class Counts:
    """The figures of one order, and what they are made of."""

    figures: dict[str, int]
    listing: dict[str, list[str]] = field(default_factory=dict)


def least(found: list[Counts]) -> dict[str, int]:
    """Return the least of each figure: what threads do at the same time adds a little now and then."""
    return {name: min(each.figures[name] for each in found) for name in found[0].figures}


def count_orders(*, broker: bool, samples: int = SAMPLES) -> list[Counts]:
    """Start a shop of its own, place so many orders one by one, and count each."""
    home = Path(tempfile.mkdtemp(prefix="shop-counts-"))
    try:
        with (
            Cluster(home=home, durable=False, broker=broker) as cluster,
            SpanCounter() as spans,
            _counted_shop(cluster, spans) as shop,
        ):
            return _count(cluster, shop, spans, samples)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _counted_shop(cluster: Cluster, spans: SpanCounter) -> Iterator[ShopStack]:
    tallies = cluster.home / "tallies"
    tallies.mkdir()
    shop = ShopStack(
        cluster,
        name="shop_counted",
        threads=4,
        BENCH_COUNTS=str(tallies),
        OTEL_EXPORTER_OTLP_ENDPOINT=spans.url,
        OTEL_TRACES_SAMPLER="always_on",
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    try:
        shop.start()
        shop.warm_up()
        yield shop
    finally:
        shop.stop()


def _count(cluster: Cluster, shop: ShopStack, spans: SpanCounter, samples: int) -> list[Counts]:
    clock = "beat" if shop.uses_broker else "background"
    found = []
    with cluster.statements_logged() as log:
        for _sample in range(samples):
            with shop.paused(clock):
                time.sleep(QUIET_SECONDS)  # what the clock had set off
                found.append(_count_one(cluster, shop, spans, log))
            shop.wait_until_drained(seconds=PATIENCE_SECONDS)
    return found


def _count_one(cluster: Cluster, shop: ShopStack, spans: SpanCounter, log: StatementLog) -> Counts:
    tallies = Path(shop.environment["BENCH_COUNTS"])
    log.statements(shop.database)
    commits, tallied, lines, names = cluster.writing_commits(), tally.read(tallies), _lines(shop), spans.names.copy()
    outcome = generator.load(shop, clients=1, seconds=5, most=1)
    if outcome.done() != 1:
        raise AssertionError(f"the order was not confirmed: {outcome.samples}")
    shop.wait_until_drained(seconds=PATIENCE_SECONDS, all_of_it=False)
    _wait_until_quiet(log)
    statements = log.statements(shop.database)
    commits = cluster.writing_commits() - commits
    tallied, lines, names = tally.read(tallies) - tallied, _lines(shop) - lines, spans.names - names
    kinds = {kind: Counter({name: n for name, n in tallied.items() if name.startswith(kind)}) for kind in tally.KINDS}
    return Counts(
        figures={
            "statements": len(statements),
            "transactions": transactions_in(statements),
            "writing commits": commits,
            **{f"{kind}s": count.total() for kind, count in kinds.items()},
            "log lines": lines.total(),
            "log bytes": sum(len(line) + 1 for line in lines.elements()),
            "spans": names.total(),
        },
        listing={
            "statements": [f"{each.application}: {each.text[:140]}" for each in statements],
            **{f"{kind}s": _listed(count) for kind, count in kinds.items()},
            "log lines": [line[:160] for line in lines.elements()],
            "spans": _listed(names),
        },
    )


def _wait_until_quiet(log: StatementLog) -> None:
    """Return once the database has heard nothing for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    size, since = log.size(), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS and time.monotonic() < deadline:
        time.sleep(0.05)
        if log.size() != size:
            size, since = log.size(), time.monotonic()


def _lines(shop: ShopStack) -> Counter[str]:
    """Return the lines that the shop's processes have logged; the sandbox is none of them."""
    files = [file for file in (shop.home / "log").glob("*.log") if file.stem != "sandbox"]
    return Counter(f"{file.stem}: {line}" for file in files for line in file.read_text().splitlines())


def _listed(count: Counter[str]) -> list[str]:
    return [f"{number} x {name}" for name, number in count.most_common()]


def described(found: list[Counts]) -> str:
    """Return the least figures, and what the cheapest order is made of."""
    cheapest = min(found, key=lambda counts: counts.figures["statements"])
    parts = ["LEAST = {"] + [f'    "{name}": {number},' for name, number in least(found).items()] + ["}"]
    for name, lines in cheapest.listing.items():
        parts += ["", f"--- {name} of the cheapest order", *lines]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(described(count_orders(broker="inline" not in sys.argv[1:])) + "\n")
