"""Real journeys stopped with their deliveries in hand, and a database that goes back to that moment."""

from __future__ import annotations

import pytest

from shop.events import relay
from tests.driver.provider import sandbox
from tests.driver.shop import mug, shop_at_rest, shopper, staff
from tests.proof.handlers.moments import Bus

__all__ = ["mug", "sandbox", "shop_at_rest", "shopper", "staff"]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    monkeypatch.setattr(relay, "transport", lambda: made)
    return made
