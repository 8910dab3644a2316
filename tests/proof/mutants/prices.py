"""Mutants of what an order costs: quotes that anybody writes, parcels and products for nothing, prices that do not add up."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

PURE = "tests/unit/orders/pricing/test_price.py"
PRICED = "tests/unit/orders/test_price_order.py"
RATES = "tests/unit/shipping/test_rates.py"
QUOTES = "tests/integration/orders/test_quotes.py"
BY_QUOTE = "tests/integration/orders/test_orders_by_quote.py"
ADDRESSES = "tests/integration/orders/test_addresses.py"
PRODUCTS = "tests/integration/inventory/test_admin.py"
COUNTED = "test_what_is_paid_is_a_multiple_of_what_the_provider_counts"
PAGES = "tests/integration/orders/test_rules_admin.py"
SERVICES = "tests/integration/adapters/test_services.py"
LIMIT = "tests/unit/shop/test_time_limit.py"
NOBODY_STANDS_IN = f"{SERVICES}::test_nobody_stands_in_where_that_is_not_wanted_or_there_are_no_rules"

MUTANTS = (
    Mutant(
        removes="the remainders of what is shared out",
        promise="I12",
        file="orders/pricing/sharing.py",
        old="        shares[index] += 1\n",
        new="        shares[index] += 0\n",
        killers=(f"{PURE}::test_shares_are_exact_to_the_unit",),
    ),
    Mutant(
        removes="the price of goods as the most that a discount takes",
        promise="I12",
        file="orders/pricing/price.py",
        old="off = min(covered, _to_grain(rule.amount.minor if rule.amount is not None else 0, grain))",
        new="off = _to_grain(rule.amount.minor if rule.amount is not None else 0, grain)",
        killers=(f"{PURE}::test_what_a_code_covers",),
    ),
    Mutant(
        removes="the refusal to ship for nothing where no rate fits",
        promise="I12",
        file="shipping/services/offers.py",
        old="        if not offers and not _has_rates():\n",
        new="        if not offers:\n",
        killers=(f"{RATES}::test_a_shop_with_rates_never_ships_for_nothing_by_accident",),
    ),
    Mutant(
        removes="the fault of a rate service where the shop has no rates of its own",
        promise="I12",
        file="shipping/services/offers.py",
        old=' != "table" or not _has_rates():\n',
        new=' != "table":\n',
        killers=(NOBODY_STANDS_IN,),
    ),
    Mutant(
        removes="the fault of a tax service where the shop has no rates of its own",
        promise="I12",
        file="orders/gateways.py",
        old=' != "table" or not RULES.get().taxes:\n',
        new=' != "table":\n',
        killers=(NOBODY_STANDS_IN,),
    ),
    Mutant(
        removes="the order of discounts",
        promise="I12",
        file="orders/services/price_order.py",
        old="sorted(applied, key=lambda each: (each.percent is None, each.code))",
        new="applied",
        killers=(f"{QUOTES}::test_the_order_in_which_codes_are_typed_changes_nothing",),
    ),
    Mutant(
        removes="the salt of a quote's signature",
        promise="edge",
        file="orders/services/quotes.py",
        old='_SALT = "orders.quote"',
        new='_SALT = "elsewhere"',
        killers=(f"{QUOTES}::test_a_text_that_the_shop_did_not_sign_is_not_a_quote",),
    ),
    Mutant(
        removes="the signature of a quote",
        promise="edge",
        file="orders/services/quotes.py",
        old="signing.loads(quote_id, salt=_SALT)",
        new="signing.JSONSerializer().loads(signing.b64_decode(quote_id.split(':')[0].encode()))",
        killers=(f"{QUOTES}::test_a_text_that_the_shop_did_not_sign_is_not_a_quote",),
    ),
    Mutant(
        removes="the version of a quote",
        promise="edge",
        file="orders/services/quotes.py",
        old="    if version != _VERSION:\n",
        new="    if False:\n",
        killers=(f"{QUOTES}::test_a_text_that_the_shop_did_not_sign_is_not_a_quote",),
    ),
    Mutant(
        removes="the total of a quote from what an order is held to",
        promise="I12",
        file="orders/services/place_order.py",
        old="(new.expected_total, new.quote and new.quote.total)",
        new="(new.expected_total,)",
        killers=(f"{BY_QUOTE}::test_a_price_that_has_changed_is_409_with_a_new_quote_by_which_one_can_order",),
    ),
    Mutant(
        removes="the codes from a quote",
        promise="I12",
        file="orders/services/quotes.py",
        old="        codes=tuple(code.code for code in priced.codes),\n",
        new="        codes=(),\n",
        killers=(f"{BY_QUOTE}::test_an_order_by_a_quote_is_what_was_quoted",),
    ),
    Mutant(
        removes="the prices of the lines from how shipping is shared out",
        promise="I12",
        file="orders/pricing/price.py",
        old="        return discounted.left\n",
        new="        return [1] * len(discounted.left)\n",
        killers=(f"{PURE}::test_shipping_is_taxed_by_the_rule_of_its_lines",),
    ),
    Mutant(
        removes="shipping from what is taxed",
        promise="I12",
        file="orders/pricing/price.py",
        old="        base = [sum(pair) for pair in zip(base, shares, strict=True)]\n",
        new="        base = [amount for amount, _share in zip(base, shares, strict=True)]\n",
        killers=(f"{PURE}::test_vendure_989_the_tax_on_shipping_goes_back_with_the_lines",),
    ),
    Mutant(
        removes="the end of guessing codes",
        promise="edge",
        file="shop/rest/throttling.py",
        old="        if len(sent) >= self.num_requests:\n            raise exceptions.Throttled",
        new="        if False:\n            raise exceptions.Throttled",
        killers=(f"{QUOTES}::test_whoever_guesses_codes_is_stopped_and_the_others_are_not",),
    ),
    Mutant(
        removes="the counters of a code from what a form leaves alone",
        promise="I12",
        file="shop/admin/rules.py",
        old="[name for name in columns if name not in self.counters]",
        new="columns",
        killers=(f"{PAGES}::test_saving_a_code_never_touches_its_counters",),
    ),
    Mutant(
        removes="the number of calls that hang at once",
        promise="edge",
        file="shop/resilience/time_limit.py",
        old="        if not self._room.acquire(blocking=False):\n",
        new="        if False:\n",
        killers=(f"{LIMIT}::test_a_call_that_hangs_is_given_up_and_takes_a_place_until_it_ends",),
    ),
    Mutant(
        removes="the age of what a process remembers",
        promise="I12",
        file="shop/remembered.py",
        old="        return self._clock() - kept[1] < settings.PRICING_RULES_SECONDS\n",
        new="        return True\n",
        killers=("tests/unit/shop/test_remembered.py::test_it_is_read_once_and_again_when_it_is_too_old",),
    ),
    Mutant(
        removes="the region from what a taxed address needs",
        promise="I12",
        file="orders/services/price_order.py",
        old="    if not regional or region in regional or (find_region(country, region) if region else not is_order):\n",
        new="    if True:\n",
        killers=(f"{PRICED}::test_an_unknown_region_is_not_untaxed_where_taxes_depend_on_it",),
    ),
    Mutant(
        removes="the region that an order must name where taxes depend on it",
        promise="I12",
        file="orders/services/place_order.py",
        old="        is_order=True,\n",
        new="",
        killers=(f"{ADDRESSES}::test_an_order_names_a_region_where_taxes_depend_on_it_and_a_quote_need_not",),
    ),
    Mutant(
        removes="the region from what the quick look at a usual order asks for",
        promise="edge",
        file="orders/rest/usual.py",
        old='    if address["country"] in WITH_REGION and not address["region"]:\n        return None\n',
        new="",
        killers=(f"{ADDRESSES}::test_an_address_without_what_its_country_needs_is_refused",),
    ),
    Mutant(
        removes="the postal code and the region from what an address needs",
        promise="edge",
        file="shop/postal.py",
        old="if not text and country in countries]",
        new="if False]",
        killers=(f"{ADDRESSES}::test_an_address_without_what_its_country_needs_is_refused",),
    ),
    Mutant(
        removes="the step by which the card provider counts from discounts",
        promise="I12",
        file="orders/pricing/price.py",
        old="/ 100, grain=grain))\n",
        new="/ 100))\n",
        killers=(f"{PURE}::{COUNTED}",),
    ),
    Mutant(
        removes="the step by which the card provider counts from taxes",
        promise="I12",
        file="orders/pricing/price.py",
        old="        grain = basket.grain if reversed_charge or not rule.included else 1\n",
        new="        grain = 1\n",
        killers=(f"{PURE}::{COUNTED}",),
    ),
    Mutant(
        removes="the step by which the card provider counts from shipping and fees",
        promise="I12",
        file="orders/pricing/price.py",
        old="Money(_to_grain(exact.minor, basket.grain), exact.currency)",
        new="exact",
        killers=(f"{PURE}::{COUNTED}",),
    ),
    Mutant(
        removes="the step by which the card provider counts from orders",
        promise="I12",
        file="orders/services/price_order.py",
        old=", step=step)",
        new=")",
        killers=(f"{QUOTES}::test_an_order_in_a_currency_of_three_decimals_is_charged_with_its_tax_and_discount",),
    ),
    Mutant(
        removes="the refusal of names that no product has",
        promise="edge",
        file="shop/admin/rules.py",
        old="                if naming.only_warns or self._takes_unknown(field, name):\n",
        new="                if True:\n",
        killers=(f"{PAGES}::test_a_name_that_no_product_has_is_refused_unless_its_product_follows",),
    ),
    Mutant(
        removes="the refusal of a tax class that no rate is for",
        promise="edge",
        file="inventory/admin.py",
        old='        if not tax_class or tax_class == before or self.data.get("untaxed"):\n',
        new="        if True:\n",
        killers=(f"{PRODUCTS}::test_a_tax_class_that_no_rate_is_for_is_refused_unless_it_is_meant",),
    ),
    Mutant(
        removes="the place of a tax rule, by which two that say the same are two",
        promise="I12",
        file="orders/pricing/price.py",
        old="[place for place, rule in enumerate(rules) if rule.applies(item, basket.destination)]",
        new="[rules.index(rule) for rule in rules if rule.applies(item, basket.destination)]",
        killers=(f"{PURE}::test_a_price_that_contains_one_tax_twice_contains_twice_its_rate",),
    ),
)
