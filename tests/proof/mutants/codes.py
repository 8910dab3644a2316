"""Mutants of codes and quotes: a code that is used beyond its limits, and a quote without an end."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

PLACING = "orders/services/place_order.py"
TESTS = "tests/integration/orders"
CODES = f"{TESTS}/test_codes.py"
CODES_UNPAID = f"{TESTS}/test_codes_held_unpaid.py"

MUTANTS = (
    Mutant(
        removes="the limit of a code's uses where a use is held",
        promise="I13",
        file="orders/sql/hold_codes.sql",
        old=" AND (code.max_uses IS NULL OR code.held + code.used < code.max_uses)",
        new="",
        killers=(f"{CODES}::test_the_last_use_goes_to_one_of_many_buyers",),
    ),
    Mutant(
        removes="the database's own limit of a code's uses",
        promise="I13",
        file="orders/migrations/0014_prices.py",
        old="condition=models.Q(('max_uses', None), ('max_uses__gte', django.db.models.expressions.CombinedExpression",
        new="condition=models.Q(('id__gt', 0), ('max_uses', None), ('max_uses__gte', django.db.models.expressions.CombinedExpression",
        killers=(f"{CODES}::test_the_database_itself_refuses_one_use_too_many",),
    ),
    Mutant(
        removes="the return of a canceled order's uses",
        promise="I13",
        file="orders/migrations/0020_codes_are_stock.py",
        old="NEW.status IN ('CONFIRMED', 'CANCELED', 'REFUNDED'))",
        new="NEW.status IN ('CONFIRMED', 'REFUNDED'))",
        killers=(f"{CODES}::test_an_order_that_is_canceled_gives_its_use_back",),
    ),
    Mutant(
        removes="the return of a refunded order's uses",
        promise="I13",
        file="orders/migrations/0020_codes_are_stock.py",
        old="- CASE before.status WHEN 'USED' THEN 1 ELSE 0 END",
        new="",
        killers=(f"{CODES}::test_an_order_that_is_canceled_gives_its_use_back",),
    ),
    Mutant(
        removes="the one use of a code by a customer",
        promise="I13",
        file="orders/sql/hold_codes.sql",
        old="held.once_per_customer, 'HELD'",
        new="false, 'HELD'",
        killers=(f"{CODES}::test_once_per_customer_means_one_order_that_is_not_canceled",),
    ),
    Mutant(
        removes="the refusal of an order whose code is not free",
        promise="I13",
        file=PLACING,
        old="        if why is not None:\n",
        new="        if False:\n",
        killers=(f"{CODES}::test_the_last_use_goes_to_one_of_many_buyers",),
    ),
    Mutant(
        removes="the lock of a code before its unpaid uses are counted",
        promise="edge",
        file="orders/migrations/0023_codes_held_unpaid.py",
        old="ORDER BY code.id FOR NO KEY UPDATE;",
        new="ORDER BY code.id;",
        killers=(f"{CODES_UNPAID}::test_the_last_use_that_may_be_held_goes_to_one_of_two_that_waited_for_it",),
    ),
    Mutant(
        removes="the difference between an order that brings a card and one that does not, where a code is held",
        promise="edge",
        file=PLACING,
        old="_hold(codes, order, mailbox, judged=judged)",
        new="_hold(codes, order, mailbox, judged=True)",
        killers=(f"{CODES_UNPAID}::test_who_brings_a_card_is_never_refused_for_it",),
    ),
    Mutant(
        removes="the end of a quote's time",
        promise="edge",
        file=PLACING,
        old="    if new.quote is not None and new.quote.is_over:\n",
        new="    if False:\n",
        killers=(f"{TESTS}/test_orders_by_quote.py::test_a_quote_whose_time_is_over_is_409_with_a_new_one",),
    ),
)
