"""The fixtures that a shop with orders of every kind is made with."""

from tests.provider import sandbox

__all__ = ["sandbox"]
