"""The fixtures that a shop with orders of every kind is made with."""

from tests.integration.orders.conftest import mug, shopper
from tests.provider import sandbox

__all__ = ["mug", "sandbox", "shopper"]
