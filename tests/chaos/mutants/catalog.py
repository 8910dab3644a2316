"""Every mutant. A safeguard that is added to the product gets its mutant here, in the module of its part."""

from __future__ import annotations

from tests.chaos.mutants import (
    accounts,
    arrival,
    audits,
    bus,
    disputes,
    durability,
    edge,
    engine,
    exact,
    mails,
    messages,
    money,
    orders,
    past,
    persons,
    processes,
    public,
    seen,
    staff,
    stock,
)

MUTANTS = (
    *accounts.MUTANTS,
    *stock.MUTANTS,
    *money.MUTANTS,
    *disputes.MUTANTS,
    *orders.MUTANTS,
    *bus.MUTANTS,
    *mails.MUTANTS,
    *messages.MUTANTS,
    *durability.MUTANTS,
    *edge.MUTANTS,
    *engine.MUTANTS,
    *arrival.MUTANTS,
    *audits.MUTANTS,
    *past.MUTANTS,
    *seen.MUTANTS,
    *public.MUTANTS,
    *persons.MUTANTS,
    *exact.MUTANTS,
    *staff.MUTANTS,
    *processes.MUTANTS,
)
