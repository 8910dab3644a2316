"""A service for taxes and one for shipping rates: named by a setting each, and what stands in where one fails."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client

from orders import gateways as tax_gateways
from orders.gateways import TaxService
from orders.models import TaxRate
from shipping.gateways import RateService
from shipping.gateways import rates as rate_gateways
from shipping.models import ShippingOption, ShippingRate
from tests.driver.shop import mug
from tests.integration.adapters import rates, taxes
from tests.integration.adapters.rates import ShortRates
from tests.integration.adapters.taxes import ShortTaxes
from tests.integration.adapters.test_adapters import differences

__all__ = ["mug"]


@pytest.fixture(autouse=True)
def short_services(mug: str, settings: Any) -> None:
    settings.SHIPPING_RATE_SERVICE = f"{rates.__name__}.service"
    settings.TAX_SERVICE = f"{taxes.__name__}.service"
    settings.BREAKER_MINIMUM_CALLS = 1000
    for calls in (tax_gateways._calls(), rate_gateways._calls()):
        calls.breaker.reset()


def shop_rules() -> None:
    """Enter a tax and a rate, which stand in."""
    TaxRate.objects.create(country="US", region="NY", label="NY by hand", percent=Decimal(8), included=False)
    by_hand = ShippingOption.objects.create(code="by-hand", name="By hand", days_min=1, days_max=9)
    ShippingRate.objects.create(option=by_hand, currency="EUR", price_minor=700)


def quote(country: str = "US", **body: Any) -> Any:
    wanted = {"lines": [{"sku": "MUG", "quantity": 2}], "destination": {"country": country, "region": "ny"}} | body
    return Client().post("/api/v1/quotes", json.dumps(wanted), content_type="application/json")


def told(answer: Any) -> list[tuple[str, str, int]]:
    assert answer.status_code == 200, answer.content
    return [(each["code"], each["label"], each["amount"]["amount_minor"]) for each in answer.json()["adjustments"]]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_what_the_services_say_is_charged():
    shop_rules()

    assert told(quote()) == [("road", "By road", 300), ("US:NY", "Sales tax 8.875 %", 249)]
    assert told(quote(shipping_option="air"))[0] == ("air", "By air", 900)
    assert [option["code"] for option in quote().json()["shipping_options"]] == ["road", "air"]
    assert code(quote("AQ")) == (422, "no_shipping_there")


@pytest.mark.parametrize("service", [ShortRates, ShortTaxes])
def test_the_shops_own_rules_stand_in_for_a_service_that_fails(service: type, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "away", True)
    shop_rules()

    answered = told(quote())

    assert (("by-hand", "By hand", 700) in answered) is (service is ShortRates)
    assert any(label == "NY by hand" for _code, label, _amount in answered) is (service is ShortTaxes)


@pytest.mark.parametrize(
    ("service", "refusal"), [(ShortRates, "carrier_unavailable"), (ShortTaxes, "tax_service_unavailable")]
)
@pytest.mark.parametrize("fallback", ["refuse", "table"])
def test_nobody_stands_in_where_that_is_not_wanted_or_there_are_no_rules(
    service: type, refusal: str, fallback: str, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    monkeypatch.setattr(service, "away", True)
    settings.TAX_SERVICE_FALLBACK = settings.SHIPPING_RATE_SERVICE_FALLBACK = fallback
    if fallback == "refuse":
        shop_rules()

    answer = quote()

    assert code(answer) == (503, refusal)
    assert "Retry-After" in answer


@pytest.mark.parametrize(("service", "method"), [(ShortRates, "get_offers"), (ShortTaxes, "get_taxes")])
def test_a_service_that_hangs_or_breaks_is_one_that_fails(
    service: type, method: str, monkeypatch: pytest.MonkeyPatch, settings: Any
):
    shop_rules()
    go_on = threading.Event()
    monkeypatch.setattr(service, method, lambda self, **_asked: 1 / 0)
    broken = told(quote())
    settings.TAX_SERVICE_TIMEOUT_SECONDS = settings.SHIPPING_RATE_SERVICE_TIMEOUT_SECONDS = 0.01
    monkeypatch.setattr(service, method, lambda self, **_asked: go_on.wait(60))

    hanging = quote()
    go_on.set()

    assert hanging.status_code == 200
    stands_in = "By hand" if service is ShortRates else "NY by hand"
    assert stands_in in {label for _code, label, _amount in broken}


def test_a_price_in_another_currency_is_no_answer(monkeypatch: pytest.MonkeyPatch):
    offers = ShortRates().get_offers
    monkeypatch.setattr(
        ShortRates,
        "get_offers",
        lambda self, **asked: offers(**asked | {"goods": type(asked["goods"])(0, "USD")}),
    )

    assert code(quote()) == (503, "carrier_unavailable")


@pytest.mark.parametrize(("port", "adapter"), [(RateService, ShortRates), (TaxService, ShortTaxes)])
def test_the_short_services_have_the_shape_of_the_port(port: Any, adapter: type):
    assert differences(port, adapter) == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("TAX_SERVICE_FALLBACK", "free", "orders.E001"),
        ("TAX_SERVICE", "no.such.service", "orders.E002"),
        ("SHIPPING_RATE_SERVICE_FALLBACK", "free", "shipping.E002"),
        ("SHIPPING_RATE_SERVICE", "no.such.service", "shipping.E003"),
        ("SHIPPING_CARRIER", "no_such_carrier", "shipping.E001"),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(settings: Any, name: str, value: str, error: str):
    setattr(settings, name, value)

    assert error in {found.id for found in run_checks()}
