"""The shop as processes on the test's own databases: a real web server, a real worker, the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.driver.processes import Shop
from tests.driver.provider import Provider, post_webhook, sandbox
from tests.driver.shop import mug, order_in, settle, shop_at_rest, shopper, staff

__all__ = ["mug", "order_in", "post_webhook", "sandbox", "settle", "shop_at_rest", "shopper", "staff"]


@pytest.fixture
def start_shop(tmp_path: Path, sandbox: Provider, shop_at_rest: None) -> Iterator[Callable[..., Shop]]:
    """Return a function that makes a shop (with the environment given); its processes end with the test."""
    made: list[Shop] = []

    def make(**environment: str) -> Shop:
        made.append(Shop(tmp_path, sandbox, environment))
        return made[-1]

    yield make
    for shop in made:
        shop.stop()
