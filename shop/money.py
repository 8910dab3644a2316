"""Money: a whole number of minor units and a currency, never a float.

The number of decimals per currency is ISO 4217's, by a table of our own: JPY has none, EUR two, KWD three.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Self

from babel import Locale

from shop.currencies import EXPONENTS

CURRENCIES: frozenset[str] = frozenset(EXPONENTS)


class CurrencyMismatch(TypeError):
    """Amounts of two currencies met in one sum: always a bug in the caller."""


def is_currency(code: str) -> bool:
    """Return whether `code` is a three-letter ISO 4217 code in capitals."""
    return code in EXPONENTS


@dataclass(frozen=True, order=False, slots=True)
class Money:
    """An amount in minor units (cents, yen, fils) of one ISO 4217 currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError(f"minor units are a whole number, not {self.minor!r}")
        if not is_currency(self.currency):
            raise ValueError(f"{self.currency!r} is not an ISO 4217 currency code")

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing at all, of that currency."""
        return cls(0, currency)

    @property
    def decimals(self) -> int:
        """How many decimals the currency's minor unit has: ISO 4217's exponent."""
        return EXPONENTS[self.currency]

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up")
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __mul__(self, quantity: int) -> Money:
        return Money(self.minor * quantity, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __str__(self) -> str:
        major = Decimal(self.minor).scaleb(-self.decimals)
        return f"{major:.{self.decimals}f} {self.currency}"

    def localized(self, *, locale: str = "en_US") -> str:
        """Return the amount as a customer of `locale` reads it, e.g. "€24.50"."""
        return _localized(self, locale)


@lru_cache(maxsize=1024)
def _localized(amount: Money, locale: str) -> str:
    """Return the amount as text; remembered, since a mail names an amount up to three times and prices come again."""
    pattern = copy(Locale.parse(locale).currency_formats["standard"])
    pattern.frac_prec = (amount.decimals, amount.decimals)
    major = Decimal(amount.minor).scaleb(-amount.decimals)
    return str(pattern.apply(major, locale, currency=amount.currency, currency_digits=False))
