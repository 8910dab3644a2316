"""A process that commits events as a web process does: several threads, real transactions, a relay thread that publishes.

Some transactions are rolled back after they wrote to the outbox: nobody may ever hear of these. Far ahead of the
subscribers it goes slowly, but never stops: a broker that is away keeps nobody from committing. Once everything is
committed it stays, as a web process would.
"""

from __future__ import annotations

import argparse
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import django
from django.db import transaction as django_transaction

ROLLED_BACK = 0.02
LONGEST_TRANSACTION = 16
# So many events may wait to be handled before it slows down, and to what share of its pace. On a machine that is busy with
# other things an event would else wait behind hundreds, and how long that takes says nothing about the broker's death.
FAR_AHEAD = 200
SLOWLY = 0.05
LOOK_SECONDS = 0.5


class Pace:
    """When the next transaction may begin."""

    def __init__(self, *, per_second: float) -> None:
        self._per_second = per_second
        self._subscribers_keep_up = threading.Event()

    def wait_after(self, events: int) -> None:
        """Wait as long as so many events take, and longer while the subscribers are far behind."""
        seconds = events / self._per_second
        time.sleep(seconds)
        self._subscribers_keep_up.wait(timeout=seconds / SLOWLY)

    def watch(self) -> None:
        """See for ever how far the subscribers are behind."""
        from tests.proof.broker.subscribers import waiting

        while True:
            if waiting() > FAR_AHEAD:
                self._subscribers_keep_up.clear()
            else:
                self._subscribers_keep_up.set()
            time.sleep(LOOK_SECONDS)


def commit_events(events: int, *, pace: Pace, chance: random.Random) -> None:
    """Commit as many events, those of one bell in a transaction."""
    from shop import transactions
    from shop.events import publishing
    from tests.integration.events.bench import Rung

    committed = 0
    while committed < events:
        size = min(chance.randint(1, LONGEST_TRANSACTION), events - committed)
        rolled_back = chance.random() < ROLLED_BACK
        bell = uuid4()
        with transactions.transaction("orders"):
            for count in range(1, size + 1):
                publishing.publish(Rung(bell=bell, count=count), aggregate_id=bell, aggregate_version=count)
            django_transaction.set_rollback(rolled_back, using=transactions.alias_for("orders"))
        committed += 0 if rolled_back else size
        pace.wait_after(size)


def main() -> None:
    """Commit, then stay until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    parser.add_argument("--seed", required=True)
    wanted = parser.parse_args()
    django.setup()
    pace = Pace(per_second=wanted.per_second / wanted.threads)
    threading.Thread(target=pace.watch, name="pace", daemon=True).start()
    shares = [wanted.events // wanted.threads] * wanted.threads
    shares[0] += wanted.events % wanted.threads
    with ThreadPoolExecutor(max_workers=wanted.threads) as threads:
        running = [
            threads.submit(commit_events, share, pace=pace, chance=random.Random(f"{wanted.seed}:{index}"))
            for index, share in enumerate(shares)
        ]
        for each in running:
            each.result()
    print("everything is committed", flush=True)  # noqa: T201
    signal.pause()


if __name__ == "__main__":
    main()
