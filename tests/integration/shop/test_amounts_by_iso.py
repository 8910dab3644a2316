"""An upgrade stops where amounts are stored that this release would read as a hundredth of what they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connections

from shop import transactions
from shop.currencies import EXPONENTS
from shop.money import Money
from tests.driver.factories import ProductFactory

MIGRATIONS = {
    "inventory": import_module("inventory.migrations.0003_amounts_by_iso_4217"),
    "orders": import_module("orders.migrations.0007_amounts_by_iso_4217"),
}


class Editor:
    """What a migration knows of where it runs."""

    def __init__(self, context: str) -> None:
        self.connection: Any = connections[transactions.alias_for(context)]


def test_prices_that_were_counted_differently_stop_the_upgrade(database: None):
    migration = MIGRATIONS["inventory"]
    ProductFactory(sku="MUG", price=Money(1250, "EUR"))
    migration.insist(apps, Editor("inventory"))

    ProductFactory(sku="CUP", price=Money(1500, "RSD"))
    with pytest.raises(RuntimeError, match="inventory_product holds amounts in RSD"):
        migration.insist(apps, Editor("inventory"))


def test_an_empty_shop_is_upgraded(database: None):
    for context, migration in MIGRATIONS.items():
        migration.insist(apps, Editor(context))


def test_both_name_the_currencies_that_cldr_counts_differently():
    from babel.numbers import get_currency_precision

    differ = {code for code, exponent in EXPONENTS.items() if get_currency_precision(code) != exponent}

    for migration in MIGRATIONS.values():
        assert differ - {"BYR", "MRO", "STD", "SLL"} == set(migration.COUNTED_DIFFERENTLY)
