"""Every text in SQL that the product has."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import inventory
import notifications
import orders
import payments
import shipping
import shop
from shop.statements import Statement, statements


def every_statement() -> list[Statement]:
    """Return all statements, but those that tests make as probes; imports all modules for that."""
    for package in (shop, orders, inventory, payments, shipping, notifications):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part in module.name for part in (".migrations", ".management", ".sandbox", "__main__")):
                import_module(module.name)
    return [statement for statement in statements() if "probe_" not in statement.name]
