"""The fixtures that a shop with orders of every kind is made with."""

from tests.driver.provider import sandbox
from tests.driver.shop import mug, shopper

__all__ = ["mug", "sandbox", "shopper"]
