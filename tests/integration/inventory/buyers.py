"""`python -m tests.integration.inventory.buyers ORDERS`: a process whose threads buy at once, and what each was told."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from random import Random
from uuid import UUID, uuid5

NAMESPACE = UUID("7d3c1f2e-0b7e-4a52-9d0a-5b7a3f0e2c11")
SKUS = ("CUP", "MUG", "PAN")
THREADS = 16


def wanted(number: int) -> list[tuple[str, int]]:
    """Return what the order of this number wants: one or two products, one or two of each."""
    chance = Random(number)
    return [(sku, chance.randint(1, 2)) for sku in chance.sample(SKUS, chance.randint(1, 2))]


def buy(number: int) -> str:
    """Reserve for this order, a fifth of them twice, and say how it ended."""
    from inventory import api as inventory

    lines = [inventory.Line(sku, quantity) for sku, quantity in wanted(number)]
    told: set[str] = set()
    for _time in range(2 if number % 5 == 0 else 1):
        try:
            order_id = uuid5(NAMESPACE, str(number))
            told.add(inventory.reserve_stock(order_id=order_id, lines=lines, for_payment=True).status)
        except inventory.InsufficientStock:
            told.add("SHORT")
    return " then ".join(sorted(told))


def buy_all(numbers: Sequence[int]) -> dict[int, str]:
    """Buy in many threads, each of which takes the next order."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def run(number: int) -> str:
        try:
            return buy(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(numbers, pool.map(run, numbers), strict=True))


if __name__ == "__main__":
    import django

    django.setup()
    first, last = map(int, sys.argv[1].split("-"))
    sys.stdout.write(json.dumps(buy_all(range(first, last))))
