"""The quick look at a new order's body never accepts what its serializer would refuse or change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework import serializers

from orders.rest import usual as quick
from orders.rest.serializers import PlaceOrderSerializer
from orders.rest.usual import MISSED, missed_by, usual_order
from shop.rest.problem import plain
from tests.driver.factories import OrderBodyFactory

ODD = st.sampled_from(
    ["", " ", "a ", " a", "a\n", "a\u202e", "\x00", "\ud800", "x" * 21, "x" * 65, "x" * 201, None, 1, []]
)
TEXT = st.text(min_size=1, max_size=12) | st.sampled_from(["Harbor Street 1", "A", "Ünï"]) | ODD
COUNTRY = st.sampled_from(["PT", "DE", "EU", "pt", "XX", "", "PT\n"]) | ODD
QUANTITY = st.integers(-1, 1001) | st.sampled_from([True, "2", 2.0, None, 10**30])
METHOD = st.sampled_from(["pm_card_visa", "pm_", "4242424242424242", "pm_4242424242424242", "pm_a b", "", None, 1])


def mapping(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    odd = {"unknown": st.just(1)}
    usual = st.fixed_dictionaries(required, optional=optional)
    return usual | st.fixed_dictionaries({}, optional=required | optional | odd)


LINE = mapping({"sku": TEXT, "quantity": QUANTITY}, {})
ADDRESS = mapping(
    {"name": TEXT, "line1": TEXT, "city": TEXT, "postal_code": TEXT, "country": COUNTRY},
    {"line2": TEXT, "region": TEXT},
)
BODY = mapping(
    {"lines": st.lists(LINE, max_size=3) | ODD, "shipping_address": ADDRESS | ODD},
    {"payment_method": METHOD, "email": st.sampled_from(["ada@shop.example", "x"])},
)


@settings(deadline=None, max_examples=1000)
@given(BODY | ODD)
def test_what_is_taken_for_usual_the_serializer_accepts_as_it_is(body: Any):
    usual = usual_order(body)

    if usual is not None:
        serializer = PlaceOrderSerializer(data=body)
        assert serializer.is_valid(), serializer.errors
        assert usual == plain(serializer.validated_data)
        assert list(usual["shipping_address"]) == list(serializer.validated_data["shipping_address"])


@pytest.mark.parametrize("without", ["payment_method", "nothing"])
def test_the_usual_body_is_usual(without: str):
    body = {name: value for name, value in OrderBodyFactory().items() if name != without}

    usual = usual_order(body)

    assert usual is not None
    serializer = PlaceOrderSerializer(data=body)
    assert serializer.is_valid()
    assert usual == plain(serializer.validated_data)


class _Known(msgspec.Struct):
    sku: str


class _Asked(serializers.Serializer[Any]):
    sku = serializers.CharField()
    needed = serializers.CharField()
    filled_in = serializers.CharField(required=False, default="x")
    optional = serializers.CharField(required=False)


def test_the_quick_look_knows_every_field_that_an_order_cannot_do_without():
    assert not MISSED, f"until orders/rest/usual.py knows {MISSED}, the serializer reads every order"


def test_a_field_that_is_asked_for_or_filled_in_is_missed():
    assert missed_by(_Known, _Asked) == {"needed", "filled_in"}


def test_while_a_field_is_missed_no_body_is_usual(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "MISSED", {"needed"})

    assert usual_order(OrderBodyFactory()) is None


UNUSUAL = ["email", "expected_total", "billing_address", "company", "vat_number", "phone", "note", "locale", "unknown"]


@pytest.mark.parametrize("field", UNUSUAL)
def test_what_is_not_in_every_body_is_left_to_the_serializer(field: str):
    assert usual_order(OrderBodyFactory() | {field: "x"}) is None


@pytest.mark.parametrize("odd", ["", " ", "a ", " a", "a\n", "a\u202e", "\x00", "x" * 21, "x" * 65, "x" * 201, None, 1])
@pytest.mark.parametrize("field", ["name", "line1", "line2", "city", "region", "postal_code", "country", "sku"])
def test_one_odd_text_is_taken_only_as_the_serializer_takes_it(field: str, odd: Any):
    body = OrderBodyFactory()
    changed = body["lines"][0] if field == "sku" else body["shipping_address"]
    changed[field] = odd

    usual = usual_order(body)

    serializer = PlaceOrderSerializer(data=body)
    assert usual is None or (serializer.is_valid() and usual == plain(serializer.validated_data))
