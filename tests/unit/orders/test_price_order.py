"""How an order's price comes together: what is for sale, how it travels, where it goes. Codes need their rows (integration)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from inventory.api import ProductOffer
from orders import services
from orders.models import TaxRate
from orders.pricing.basket import Destination
from orders.pricing.rules import NO_RULES, FeeRule, Rules, TaxRule
from orders.queries import RULES
from orders.services import PricedOrder, Unavailable
from orders.services.price_order import Shortcoming, spelled
from shipping.queries import OPTIONS
from shipping.rules import Option, Rate
from shop.money import Money


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


MUG = ProductOffer("MUG", "Mug", eur(1190), available=5, weight_grams=300)
BOOK = ProductOffer("BOOK", "Book", eur(1070), available=5, weight_grams=400, tax_class="reduced", category="books")
YEN = ProductOffer("YEN", "Yen", Money(100, "JPY"), available=5)
RATE = Rate(countries=frozenset(), min_weight_grams=0, max_weight_grams=None, price=eur(990), free_from=None)
WAYS = (
    Option(
        code="express", name="Express", days_min=1, days_max=1, position=0, active=True,
        rates=(RATE,),
    ),
    Option(
        code="standard", name="Standard", days_min=2, days_max=4, position=1, active=True,
        rates=(replace(RATE, price=eur(490), free_from=eur(5000)),),
    ),
)  # fmt: skip


def tax(percent: str, tax_class: str = "", region: str = "", country: str = "DE", included: bool = True) -> TaxRule:
    return TaxRule(
        country=country, region=region, label=f"VAT {percent} %", percent=Decimal(percent), included=included,
        tax_class=tax_class, reverse_charge=True,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def rules() -> Iterator[None]:
    RULES.put(NO_RULES)
    OPTIONS.put(())
    yield
    RULES.put(NO_RULES)
    OPTIONS.put(())


def priced(
    *lines: tuple[str, int], country: str = "DE", region: str = "", shipping_option: str = "", vat_number: str = ""
) -> PricedOrder:
    return services.price_order(
        lines=lines or (("MUG", 2),),
        offers={offer.sku: offer for offer in (MUG, BOOK, YEN)},
        destination=Destination(country=country, region=region),
        shipping_option=shipping_option,
        vat_number=vat_number,
    )


def told(order: PricedOrder) -> list[tuple[str, str, int]]:
    return [(each.kind, each.code, each.amount.minor) for each in order.priced.adjustments]


def test_a_shop_without_rules_charges_what_the_lines_add_up_to():
    order = priced(("MUG", 2), ("BOOK", 1))

    assert (order.total, told(order), order.way, order.shipping_offers) == (eur(3450), [], None, ())


def test_the_cheapest_way_is_chosen_unless_another_one_is_wanted():
    OPTIONS.put(WAYS)

    by_itself, wanted = priced(), priced(shipping_option="express")

    assert (by_itself.way.code, by_itself.total) == ("standard", eur(2870))
    assert (wanted.way.code, wanted.total) == ("express", eur(3370))
    assert [offer.code for offer in wanted.shipping_offers] == ["express", "standard"]


def test_shipping_that_is_free_from_a_value_is_told_with_its_zero():
    OPTIONS.put(WAYS)

    assert told(priced(("MUG", 5))) == [("shipping", "standard", 0)]


@pytest.mark.parametrize("options", [(), WAYS])
def test_a_way_that_is_not_offered_is_refused(options: tuple[Option, ...]):
    OPTIONS.put(options)

    with pytest.raises(services.ShippingOptionNotOffered) as refusal:
        priced(shipping_option="by-balloon")

    assert refusal.value.facts["offered"] == [option.code for option in options]


def test_taxes_and_fees_are_those_of_the_place_and_the_class():
    RULES.put(
        Rules(
            taxes=(tax("19"), tax("7", "reduced"), tax("20", country="AT")),
            fees=(FeeRule(code="SMALL", label="Small order", amount=eur(119), below=eur(9999)),),
        )
    )

    assert told(priced(("MUG", 1))) == [("fee", "SMALL", 119), ("tax", "DE", 209)]
    assert told(priced(("BOOK", 1)))[1:] == [("tax", "DE:reduced", 78)]
    assert told(priced(("MUG", 1), country="FR")) == [("fee", "SMALL", 119)]


def test_a_region_is_the_same_in_any_spelling():
    RULES.put(Rules(taxes=(tax("8.875", region="NY", country="US", included=False),)))

    assert told(priced(("MUG", 1), country="US", region="ny")) == [("tax", "US:NY", 106)]
    assert told(priced(("MUG", 1), country="US", region="NJ")) == []


@pytest.mark.parametrize("typed", ["NY", "ny", "US-NY", "us ny", "New York", "NEW YORK", "new  york."])
def test_a_region_is_taxed_however_it_is_named(typed: str):
    RULES.put(Rules(taxes=(tax("8.875", region="NY", country="US", included=False),)))

    assert told(priced(("MUG", 1), country="US", region=typed)) == [("tax", "US:NY", 106)]


@pytest.mark.parametrize("typed", ["NYC", "Nowhere", "CA-QC", "Québec", "0"])
def test_an_unknown_region_is_not_untaxed_where_taxes_depend_on_it(typed: str):
    RULES.put(Rules(taxes=(tax("8.875", region="NY", country="US", included=False),)))

    with pytest.raises(services.RegionNotKnown) as refusal:
        priced(("MUG", 1), country="US", region=typed)

    facts = refusal.value.facts
    assert (facts["country"], "NY" in facts["regions"], "AE" in facts["regions"]) == ("US", True, True)


def test_a_region_may_be_anything_where_no_tax_depends_on_it():
    RULES.put(Rules(taxes=(tax("8.875", region="NY", country="US", included=False), tax("19"))))

    assert told(priced(("MUG", 1), region="Somewhere")) == [("tax", "DE", 190)]
    assert told(priced(("MUG", 1), country="FR", region="Somewhere")) == []
    assert told(priced(("MUG", 1), country="US", region="AP")) == []


def test_a_region_is_taxed_by_the_rules_of_the_larger_one_that_it_lies_in():
    RULES.put(Rules(taxes=(tax("7", region="CN", country="ES"), tax("21", country="PT"))))

    assert told(priced(("MUG", 1), country="ES", region="Las Palmas")) == [("tax", "ES:CN", 78)]
    assert told(priced(("MUG", 1), country="ES", region="Madrid, Comunidad de")) == []


def test_a_rate_of_an_earlier_release_holds_for_the_region_that_it_names():
    named, odd = (
        TaxRate(country="US", region=region, label="Tax", percent=Decimal(5)).rule for region in ("new york", "zone 1")
    )

    assert (named.region, odd.region) == ("NY", "ZONE 1")
    RULES.put(Rules(taxes=(odd,)))
    assert told(priced(("MUG", 1), country="US", region="Zone 1")) == [("tax", "US:ZONE 1", 57)]


def test_a_business_that_owes_the_tax_itself_pays_without_it():
    RULES.put(Rules(taxes=(tax("19"),)))

    assert priced(("MUG", 1), vat_number="DE123456789").total == eur(1000)


def test_what_cannot_be_had_is_named_and_does_not_fail_the_rest():
    order = priced(("MUG", 4), ("GONE", 2), ("MUG", 3))

    assert order.unavailable == (
        Unavailable(sku="MUG", wanted=7, available=5, reason=Shortcoming.NOT_ENOUGH),
        Unavailable(sku="GONE", wanted=2, available=0, reason=Shortcoming.NOT_FOR_SALE),
    )
    assert [item.quantity for item in order.priced.items] == [4, 3]


def test_nothing_for_sale_has_no_price():
    with pytest.raises(services.NothingForSale) as refusal:
        priced(("GONE", 1), ("AWAY", 1))

    assert refusal.value.facts == {"skus": ["AWAY", "GONE"]}


def test_two_currencies_are_two_orders():
    with pytest.raises(services.MixedCurrencies):
        priced(("MUG", 1), ("YEN", 1))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [(" welcome10 ", "WELCOME10"), ("x" * 41, ""), ("A\nB", ""), ("", ""), ("tenoff", "TENOFF")],
)
def test_codes_are_taken_in_any_spelling(typed: str, kept: str):
    assert spelled(typed) == kept
