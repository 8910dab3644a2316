"""Every mutant. A safeguard that is added to the product gets its mutant here, in the module of its part."""

from __future__ import annotations

from tests.chaos.mutants import audits, bus, edge, money, orders, stock

MUTANTS = (*stock.MUTANTS, *money.MUTANTS, *orders.MUTANTS, *bus.MUTANTS, *edge.MUTANTS, *audits.MUTANTS)
