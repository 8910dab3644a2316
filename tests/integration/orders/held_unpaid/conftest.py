"""Limits of what is held without a payment, and a vase of which there are many."""

from __future__ import annotations

from typing import Any

import pytest

from tests.driver.factories import ProductFactory
from tests.integration.orders.held_unpaid.holding import STOCK


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.MAX_HELD_UNPAID_PIECES = 10
    settings.MAX_HELD_UNPAID_SHARE = 0.2
    settings.MAX_HELD_UNPAID_PLACE_FACTOR = 2
    settings.LIMIT_HELD_UNPAID_BY_ADDRESS = True


@pytest.fixture
def vase(database: None) -> str:
    return ProductFactory(sku="VASE", stock=STOCK)
