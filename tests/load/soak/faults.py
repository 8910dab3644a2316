"""The faults of the soak: how each begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.load.soak.shop import SoakShop

CALL_SECONDS = 1.6
# An order's hold, its deadline and its saga's next look are of one moment, or nearly.
EXPIRE = (
    "UPDATE inventory.inventory_reservation SET expires_at = now() WHERE status = 'HELD'",
    "UPDATE orders.orders_order SET pay_before = now() WHERE status = 'AWAITING_PAYMENT'",
    "UPDATE orders.orders_saga SET due_at = now() WHERE waiting_for = 'payment_method'",
)


@contextmanager
def in_force(fault: str, shop: SoakShop) -> Iterator[None]:
    """Have a fault in force until the block ends; "" is none."""
    with {"": _nothing, "slow": _slow, "away": _away, "holds": _holds}[fault](shop):
        yield


@contextmanager
def _nothing(shop: SoakShop) -> Iterator[None]:
    yield


@contextmanager
def _slow(shop: SoakShop) -> Iterator[None]:
    """Have the provider take 1.6 s for each call."""
    every_call = {"fault": "late", "match": {"path": "/v1/*"}, "delay_seconds": CALL_SECONDS, "times": None}
    requests.post(f"{shop.sandbox_url}/sandbox/faults", json=every_call, timeout=5).raise_for_status()
    try:
        yield
    finally:
        requests.delete(f"{shop.sandbox_url}/sandbox/faults", timeout=5).raise_for_status()


@contextmanager
def _away(shop: SoakShop) -> Iterator[None]:
    """Have PostgreSQL stopped: its sessions are ended, and nobody listens."""
    shop.cluster.postgres.stop()
    try:
        yield
    finally:
        shop.cluster.postgres.start()


@contextmanager
def _holds(shop: SoakShop) -> Iterator[None]:
    """Let the time of every order that waits for its payment be over at once."""
    with shop.connect() as connection, connection.transaction():
        for statement in EXPIRE:
            connection.execute(statement)
    yield
