"""Amounts: whole minor units of one currency, which meet no other."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from shop.money import CurrencyMismatch, Money


@pytest.mark.parametrize("minor", [1.0, True, "1", None])
def test_minor_units_are_a_whole_number(minor: Any):
    with pytest.raises(TypeError, match="whole number"):
        Money(minor, "EUR")


@pytest.mark.parametrize(
    "meet",
    [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge],
    ids=lambda each: each.__name__,
)
def test_amounts_of_two_currencies_do_not_meet(meet: Callable[[Money, Money], object]):
    with pytest.raises(CurrencyMismatch, match="EUR and JPY do not add up"):
        meet(Money(1, "EUR"), Money(1, "JPY"))


def test_amounts_of_one_currency_are_compared_by_their_minor_units():
    less, more = Money(1, "EUR"), Money(2, "EUR")

    assert (less < more, less <= more, less > more, less >= more) == (True, True, False, False)
    assert (more <= Money(2, "EUR"), more >= Money(2, "EUR"), more > Money(2, "EUR")) == (True, True, False)
