"""Mutants of receipts: amounts that do not add up, a paper for what was not sold, words that run, contacts that are gone."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

RECEIPT = "tests/unit/orders/test_receipt.py"
FIGURES = "orders/receipts/figures.py"

MUTANTS = (
    Mutant(
        removes="the tax that prices contain from what a receipt takes out of a net amount",
        promise="I12",
        file=FIGURES,
        old="nets = [net - share for",
        new="nets = [net for",
        killers=(f"{RECEIPT}::test_tax_in_the_prices_is_shown_by_rate_with_what_it_is_on",),
    ),
    Mutant(
        removes="shipping and discounts from the net amounts of a receipt",
        promise="I12",
        file=FIGURES,
        old="        if not is_tax or each.is_reversed:\n",
        new="        if each.is_reversed:\n",
        killers=(f"{RECEIPT}::test_its_sums_are_the_order_s",),
    ),
    Mutant(
        removes="what no tax is on from a receipt",
        promise="I12",
        file=FIGURES,
        old="    everything_else = set(range(len(lines))) - taxed\n",
        new="    everything_else = set(range(len(lines))) & taxed\n",
        killers=(f"{RECEIPT}::test_what_no_tax_is_on_stands_beside_what_is_taxed",),
    ),
    Mutant(
        removes="who owes the tax from a receipt without tax",
        promise="I12",
        file=FIGURES,
        old="        tax = 0 if reversed_charge else ",
        new="        tax = ",
        killers=(f"{RECEIPT}::test_reverse_charge_shows_the_net_amount_no_tax_and_who_owes_it",),
    ),
    Mutant(
        removes="what went back by other ways from a receipt",
        promise="I6",
        file=FIGURES,
        old="        return self.refunded + self.paid_back_otherwise + self.lost\n",
        new="        return self.refunded\n",
        killers=(f"{RECEIPT}::test_what_went_back_is_shown_whichever_way_it_went",),
    ),
    Mutant(
        removes="the confirmation that a receipt waits for",
        promise="edge",
        file=FIGURES,
        old="    if order.confirmed_at is None:\n",
        new="    if order.confirmed_at is None and not order.lines:\n",
        killers=(f"{RECEIPT}::test_before_it_is_confirmed_there_is_none",),
    ),
    Mutant(
        removes="the erasure from a receipt",
        promise="edge",
        file="orders/receipts/sheet.py",
        old="    if receipt.erased:\n",
        new="    if False:\n",
        killers=(f"{RECEIPT}::test_of_an_erased_person_only_the_country_is_left",),
    ),
    Mutant(
        removes="the default of a receipt's policy",
        promise="edge",
        file="orders/receipts/page.py",
        old="default-src 'none'",
        new="default-src 'self'",
        killers=(f"{RECEIPT}::test_the_page_s_policy_lets_its_own_styles_in_and_nothing_else",),
    ),
)
