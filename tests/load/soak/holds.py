"""`python -m tests.load.soak.holds COUNT`: place so many orders without a payment method, each of which holds stock.

They are the shop's own orders, placed and walked by its own code: their customers never pay, and their time runs out.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tests.load import generator, people

THREADS = 8


def main(count: int) -> None:
    import django

    django.setup()
    from django.db import connections

    from shop.models import User

    customers = list(User.objects.order_by("email").values_list("pk", flat=True)[: people.CUSTOMERS])
    # next() of a range's iterator is one step of the interpreter: no two threads get the same number.
    numbers = iter(range(count))

    def place_some() -> None:
        for number in numbers:
            _place(number, customers[number % len(customers)])
        connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(place_some) for _ in range(THREADS)]:
            done.result()


def _place(number: int, customer_id: UUID) -> None:
    from orders.queries import Address
    from orders.sagas.entry import place_order, resume
    from orders.services import NewOrder

    # Each at an address of its own: what is held unpaid at one place is counted as each order is placed.
    to = generator.ADDRESS | {"line1": f"{number} Harbor Street"}
    new = NewOrder(
        customer_id=customer_id,
        idempotency_key=f"hold-{number}",
        fingerprint=f"hold-{number}",
        lines=((f"SPREAD-{number % people.SKUS}", 1),),
        email=f"hold-{number}@shop.example",
        shipping_address=Address(line2="", region="", **to),
    )
    placed = place_order(new=new)
    reached = resume(order_id=placed.order_id, placed=placed)
    if reached.waiting_for != "payment_method":
        raise RuntimeError(f"order {placed.order_id} does not wait for a payment method: {reached}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
