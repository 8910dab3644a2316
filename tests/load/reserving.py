"""`python -m tests.load.reserving shop|article|check hot|spread SECONDS`: threads that reserve stock, and how many they got.

`check` has inventory's audit hold stock against reservations and ledger. `python -m tests.load.reserving expire spread
COUNT` holds stock so many times, waits until all holds are over, and expires them as the sweep does.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.load import people

THREADS = 64


def main() -> None:
    side, where, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    # A connection for each thread, on both sides.
    os.environ.pop("DATABASE_POOL_MAX", None)
    import django

    django.setup()
    if side in ("check", "expire"):
        sys.stdout.write(_check() if side == "check" else json.dumps(_expire(int(seconds))))
        return
    reserve = _of_shop() if side == "shop" else _of_article()
    sys.stdout.write(json.dumps(_measure(reserve, where, seconds)))


def _of_shop():
    from inventory import api as inventory

    lines = {sku: (inventory.Line(sku, 1),) for sku in people.skus()}
    return lambda sku: inventory.reserve_stock(order_id=uuid4(), lines=lines[sku], for_payment=True)


def _of_article():
    from django.db import transaction

    from tests.load.article import services
    from tests.load.article.models import Reservation

    def reserve(sku: str) -> None:
        with transaction.atomic():
            services.reserve_stock(lines=[(sku, 1)])
            Reservation.objects.create(order_id=uuid4(), sku=sku, quantity=1)

    return reserve


def _measure(reserve, where: str, seconds: float) -> dict[str, object]:
    from django.db import connections

    latencies: list[float] = []
    failures: Counter[str] = Counter()
    chosen = itertools.cycle([people.HOT] if where == "hot" else people.skus()[1:])
    start = threading.Barrier(THREADS + 1)
    ended = threading.Event()

    def work() -> None:
        for connection in connections.all():
            connection.ensure_connection()
        start.wait()
        while not ended.is_set():
            began = time.monotonic()
            try:
                reserve(next(chosen))
            except Exception as error:  # noqa: BLE001  counted and told
                failures[type(error).__name__] += 1
            else:
                latencies.append(time.monotonic() - began)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    began, cpu = time.monotonic(), time.process_time()
    time.sleep(seconds)
    ended.set()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    ordered = sorted(latencies) or [float("nan")]
    return {
        "per_second": round(len(latencies) / took, 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
        "p99_ms": round(1000 * ordered[int(0.99 * len(ordered))], 1),
        "client_cpu_ms": round(1000 * (time.process_time() - cpu) / max(1, len(latencies)), 2),
        "failures": dict(failures),
    }


def _expire(count: int) -> dict[str, object]:
    """Make so many holds, and have one process expire them when all are over."""
    from django.conf import settings

    from inventory import api as inventory
    from inventory.tasks import release_expired_reservations

    chosen = itertools.cycle(people.skus()[1:])
    wanted = [(uuid4(), next(chosen)) for _ in range(count)]

    def hold(order_id, sku) -> None:
        inventory.reserve_stock(order_id=order_id, lines=(inventory.Line(sku, 1),), for_payment=False)

    with ThreadPoolExecutor(THREADS) as holders:
        list(holders.map(lambda each: hold(*each), wanted))
    time.sleep(settings.RESERVATION_TTL_SECONDS)
    began, cpu, expired = time.monotonic(), time.process_time(), 0
    while some := release_expired_reservations():
        expired += some
    took = time.monotonic() - began
    return {
        "expired": expired,
        "seconds": round(took, 2),
        "client_cpu_ms": 1000 * (time.process_time() - cpu) / expired,
    }


def _check() -> str:
    """Ask inventory's own audit, which holds stock against reservations and ledger."""
    from shop.audit import checks

    found = [violation for check in checks() if check.context == "inventory" for violation in check.run()]
    return "; ".join(f"{each.subject}: {each.detail}" for each in found[:5])


if __name__ == "__main__":
    main()
