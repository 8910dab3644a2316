"""`python -m tests.load.soak.holds COUNT`: reserve stock so often for orders that nobody will pay."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.load import people

THREADS = 16


def main(count: int) -> None:
    import django

    django.setup()
    from django.db import connections

    from inventory import api as inventory

    numbers = iter(range(count))

    def reserve_some() -> None:
        skus = itertools.cycle(people.skus()[1:])
        # next() of a range's iterator is one step of the interpreter: no two threads get the same number.
        for _number, sku in zip(numbers, skus, strict=False):
            inventory.reserve_stock(order_id=uuid4(), lines=[inventory.Line(sku, 1)], for_payment=False)
        connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(reserve_some) for _ in range(THREADS)]:
            done.result()


if __name__ == "__main__":
    main(int(sys.argv[1]))
