"""Shelves with stock, reservations in every status, and the audit after each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from inventory import api as inventory
from inventory.services import ledger
from shop import coalescing
from shop.money import Money
from tests.integration.inventory.reservations import SKU, inventory_violations


@pytest.fixture
def shelf(database: None) -> Callable[..., str]:
    """Return a function that puts a product with stock on the shelf and returns its SKU."""

    def put(sku: str = SKU, quantity: int = 10, price: Money | None = None) -> str:
        inventory.add_product(sku=sku, name=f"A {sku.lower()}", price=price or Money(1250, "EUR"))
        if quantity:
            inventory.receive_stock(sku=sku, quantity=quantity, reference="delivery 1")
        return sku

    return put


@pytest.fixture
def audited(database: None):
    """Hold the test to inventory's promises once it is over."""
    yield
    assert inventory_violations() == []


@pytest.fixture
def brief(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait 20 seconds in all, and a tenth of one where others stand behind."""
    settings.BREAKER_TIMEOUT_SECONDS = 20
    monkeypatch.setattr(ledger, "BRIEF_SHARE", 1 / 200)


@pytest.fixture(params=["alone", "together"])
def both_ways(request: pytest.FixtureRequest, database: None, settings: Any, monkeypatch: pytest.MonkeyPatch):
    """Run the test with each caller in a transaction of its own, and with all in the batches of many."""
    settings.COALESCE = request.param == "together"
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield request.param
    coalescing.stop()
