"""Inventory's pure decisions: what an order's lines add up to, whether stock suffices, when it has run low."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shop.errors import Refusal

MAX_QUANTITY = 1_000_000
AVAILABILITIES = ("in_stock", "few_left", "sold_out")
SKU_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class InvalidQuantity(Refusal):
    """A quantity is not a whole number from 1 to MAX_QUANTITY, or there is no line at all."""

    code = "invalid_quantity"
    title = "The quantity is not valid"
    http_status = 422


class Named(StrEnum):
    """What of products the rules of others name: the column that it stands in."""

    SKU = "sku"
    CATEGORY = "category"
    TAX_CLASS = "tax_class"
    CURRENCY = "currency"


@dataclass(frozen=True)
class Line:
    """A number of units of one SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Shortage:
    """A SKU of which more was wanted than there is."""

    sku: str
    wanted: int
    available: int


def is_sku(text: str) -> bool:
    """Return whether `text` can be a SKU at all."""
    return re.fullmatch(SKU_PATTERN, text) is not None


def checked_quantity(quantity: int) -> int:
    """Return `quantity` as it is. Raises: InvalidQuantity."""
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidQuantity(f"a quantity is a whole number from 1 to {MAX_QUANTITY}, not {quantity!r}")
    return quantity


def summed(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return one line per SKU, in the order of SKUs. Raises: InvalidQuantity."""
    if not lines:
        raise InvalidQuantity("a reservation needs at least one line")
    total: Counter[str] = Counter()
    for line in lines:
        total[line.sku] += checked_quantity(line.quantity)
    return tuple(Line(sku, checked_quantity(quantity)) for sku, quantity in sorted(total.items()))


def shortages(wanted: Sequence[Line], available: Mapping[str, int]) -> tuple[Shortage, ...]:
    """Return the lines that cannot be met. An order is met whole or not at all: one shortage refuses all of it."""
    return tuple(
        Shortage(line.sku, line.quantity, available[line.sku]) for line in wanted if line.quantity > available[line.sku]
    )


def availability(available: int, *, low: int) -> str:
    """Return how much there is in a word: "sold_out", "few_left" up to `low`, else "in_stock"."""
    if available <= 0:
        return "sold_out"
    return "few_left" if available <= low else "in_stock"


def ran_low(*, before: int, after: int, threshold: int) -> bool:
    """Return whether this step took the stock to the threshold or below it: so it is told once, and not at every sale."""
    return after <= threshold < before
