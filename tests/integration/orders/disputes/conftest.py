"""A carrier that delivers slowly, and the customer's bank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.driver.provider import Provider
from tests.integration.orders.disputes.bank import Bank


@pytest.fixture(autouse=True)
def slow_carrier(settings: Any) -> None:
    """Have the carrier fetch booked parcels in an hour."""
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0


@pytest.fixture
def bank(sandbox: Provider, drain: Callable[[], None]) -> Bank:
    return Bank(sandbox, drain)
