"""A process that commits events as a web process does: several threads, each event in a transaction of the outbox.

Its relay thread publishes what it commits. Some transactions are rolled back after they published: nobody may ever hear
of these. Once everything is committed it stays, as a web process would.
"""

from __future__ import annotations

import argparse
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import django
from django.db import transaction as django_transaction

ROLLED_BACK = 0.02
LONGEST_TRANSACTION = 3


def commit_events(events: int, *, per_second: float, chance: random.Random) -> None:
    """Commit as many events, up to three of one bell in a transaction, no faster than told."""
    from shop import transactions
    from shop.events import outbox
    from tests.integration.events.bench import Rung

    began = time.monotonic()
    committed = 0
    while committed < events:
        due = began + committed / per_second
        time.sleep(max(0.0, due - time.monotonic()))
        size = min(chance.randint(1, LONGEST_TRANSACTION), events - committed)
        rolled_back = chance.random() < ROLLED_BACK
        bell = uuid4()
        with transactions.transaction("orders"):
            for count in range(1, size + 1):
                outbox.publish(Rung(bell=bell, count=count), aggregate_id=bell, aggregate_version=count)
            django_transaction.set_rollback(rolled_back, using=transactions.alias_for("orders"))
        committed += 0 if rolled_back else size


def main() -> None:
    """Commit, then stay until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    parser.add_argument("--seed", required=True)
    wanted = parser.parse_args()
    django.setup()
    shares = [wanted.events // wanted.threads] * wanted.threads
    shares[0] += wanted.events % wanted.threads
    with ThreadPoolExecutor(max_workers=wanted.threads) as threads:
        running = [
            threads.submit(
                commit_events,
                share,
                per_second=wanted.per_second / wanted.threads,
                chance=random.Random(f"{wanted.seed}:{index}"),
            )
            for index, share in enumerate(shares)
        ]
        for each in running:
            each.result()
    print("everything is committed", flush=True)  # noqa: T201
    signal.pause()


if __name__ == "__main__":
    main()
