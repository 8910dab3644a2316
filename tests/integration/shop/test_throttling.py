"""Rates hold for every customer, however many there are."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches

from shop.rest.throttling import AnonymousThrottle, CustomerThrottle

CUSTOMERS = 1000


@pytest.fixture(autouse=True)
def two_a_minute(settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"customer": "2/min", "anonymous": "2/min"}
    }
    caches["customers"].clear()


def asks(number):
    """Return whether a request of this customer is let through."""
    user = SimpleNamespace(pk=number, is_authenticated=True)
    request: Any = SimpleNamespace(user=user, _request=SimpleNamespace())
    return CustomerThrottle().allow_request(request, view=None)


def comes_from(address):
    """Return whether a request from this address, without login, is let through."""
    request: Any = SimpleNamespace(user=None, _request=SimpleNamespace(), headers={}, META={"REMOTE_ADDR": address})
    return AnonymousThrottle().allow_request(request, view=None)


def test_rate_of_each_of_a_thousand_customers_holds():
    for _twice in range(2):
        assert all(asks(number) for number in range(CUSTOMERS))

    assert not any(asks(number) for number in range(CUSTOMERS))


def test_flood_of_addresses_makes_no_customer_s_count_forgotten(monkeypatch):
    monkeypatch.setattr(caches["default"], "_max_entries", 100)
    assert asks(1)
    assert asks(1)

    for number in range(500):
        comes_from(f"203.0.113.{number}")

    assert not asks(1)


def test_one_network_of_ipv6_is_one_address():
    assert comes_from("2001:db8::1:1")
    assert comes_from("2001:db8::2:1")

    assert not comes_from("2001:db8::ffff")
    assert comes_from("2001:db8:0:1::1")
    assert comes_from("192.0.2.1")
