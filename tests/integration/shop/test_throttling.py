"""Rates hold for every customer, however many there are."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from rest_framework.exceptions import Throttled

from shop.rest.throttling import AnonymousThrottle, CustomerThrottle, WrongCodes

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


@pytest.fixture
def caches_away(monkeypatch):
    """Have every cache fail, and note how often."""
    failed = []

    def away(self, *_args, **_options):
        failed.append(self)
        raise ConnectionError("the cache is away")

    for operation in ("get", "set"):
        monkeypatch.setattr(LocMemCache, operation, away)
    return failed


def test_cache_that_is_away_closes_the_shop_to_nobody(caches_away):
    for _many in range(5):
        assert asks(1)
        assert comes_from("192.0.2.1")
    assert len(caches_away) == 10


def test_wrong_codes_are_not_counted_while_the_cache_is_away_and_are_afterwards(settings, caches_away, monkeypatch):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"wrong_codes": "1/min"}}
    request: Any = SimpleNamespace(user=None, _request=SimpleNamespace(), headers={}, META={"REMOTE_ADDR": "192.0.2.1"})
    codes = WrongCodes()

    codes.count(request, 3)
    codes.refuse_too_many(request)
    assert len(caches_away) == 3

    monkeypatch.undo()
    codes.count(request, 3)
    with pytest.raises(Throttled):
        codes.refuse_too_many(request)


def test_who_is_signed_in_is_not_counted_by_address():
    user = SimpleNamespace(pk=1, is_authenticated=True)
    request: Any = SimpleNamespace(user=user, _request=SimpleNamespace(), headers={}, META={"REMOTE_ADDR": "192.0.2.1"})

    assert all(AnonymousThrottle().allow_request(request, view=None) for _each in range(5))
    assert comes_from("192.0.2.1")
