"""Which rate a parcel travels by, and in which order customers see their options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipping import api as shipping
from shipping.queries import OPTIONS
from shipping.rules import Option, Rate, ShippingOffer, offers_of
from shop.money import Money


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def rate(price: int, *countries: str, weight: tuple[int, int | None] = (0, None), free_from: int | None = None) -> Rate:
    return Rate(
        countries=frozenset(countries),
        min_weight_grams=weight[0],
        max_weight_grams=weight[1],
        price=eur(price),
        free_from=None if free_from is None else eur(free_from),
    )


def option(code: str, *rates: Rate, position: int = 0, active: bool = True) -> Option:
    return Option(code=code, name=code, days_min=1, days_max=2, position=position, active=active, rates=rates)


def prices(*options: Option, country: str = "DE", weight: int = 500, goods: int = 5000) -> dict[str, int]:
    offers = offers_of(options, country=country, weight_grams=weight, goods=eur(goods))
    return {offer.code: offer.price.minor for offer in offers}


@pytest.mark.parametrize(
    ("rates", "price"),
    [
        ([rate(490, "DE", "AT")], 490),
        ([rate(490, "AT")], None),
        ([rate(1500)], 1500),
        ([rate(300), rate(490, "DE")], 490),
        ([rate(590, "DE"), rate(490, "DE")], 490),
        ([rate(490, "DE", weight=(0, 499)), rate(990, "DE", weight=(500, 1000))], 990),
        ([rate(490, "DE", weight=(0, 500))], 490),
        ([rate(490, "DE", weight=(501, None))], None),
        ([rate(490, "DE", weight=(501, None)), rate(1500)], 1500),
        ([rate(490, "DE", free_from=5000)], 0),
        ([rate(490, "DE", free_from=5001)], 490),
        ([rate(490, "DE", free_from=0)], 0),
        ([], None),
    ],
)
def test_a_rate_fits_by_country_weight_and_value(rates: list[Rate], price: int | None):
    assert prices(option("standard", *rates)) == ({} if price is None else {"standard": price})


def test_a_rate_in_another_currency_does_not_fit():
    offers = offers_of([option("standard", rate(490))], country="DE", weight_grams=1, goods=Money(5000, "USD"))

    assert offers == ()


def test_options_come_by_position_then_price():
    found = prices(
        option("slow", rate(290), position=2),
        option("express", rate(1290), position=1),
        option("standard", rate(490), position=1),
        option("gone", rate(1), active=False),
    )

    assert list(found) == ["standard", "express", "slow"]


@given(
    goods=st.integers(0, 20_000),
    weight=st.integers(0, 3000),
    rates=st.lists(
        st.builds(
            rate,
            st.integers(0, 5000),
            weight=st.tuples(st.integers(0, 1500), st.none() | st.integers(1500, 3000)),
            free_from=st.none() | st.integers(0, 20_000),
        ),
        max_size=5,
    ),
)
def test_among_rates_for_all_countries_the_cheapest_counts_and_more_goods_never_cost_more_to_ship(
    goods: int, weight: int, rates: list[Rate]
):
    standard = option("standard", *rates)

    now, later = (prices(standard, weight=weight, goods=value).get("standard") for value in (goods, goods + 1))

    assert (now is None) == (later is None)
    assert now is None or later <= now


def offers(country: str = "DE", weight_grams: int = 500) -> tuple[ShippingOffer, ...]:
    return shipping.get_shipping_offers(country=country, weight_grams=weight_grams, goods=eur(5000))


@pytest.fixture(autouse=True)
def no_options():
    OPTIONS.put(())
    yield
    OPTIONS.put(())


def test_a_shop_without_rates_offers_nothing_and_refuses_nothing():
    OPTIONS.put((option("standard"),))

    assert offers() == ()


@pytest.mark.parametrize("active", [True, False])
def test_a_shop_with_rates_never_ships_for_nothing_by_accident(active: bool):
    OPTIONS.put((option("standard", rate(490, "AT"), active=active),))

    with pytest.raises(shipping.NoShippingThere) as refusal:
        offers()

    assert refusal.value.facts == {"country": "DE"}
