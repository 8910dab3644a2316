"""The plain decisions of shipping, and what its values refuse to show."""

import pytest

from shipping import gateways
from shipping.gateways import Address
from shipping.models import Shipment
from shipping.rules import clean_tracking_number
from shop.states import IllegalTransition


@pytest.mark.parametrize(
    ("typed", "number"),
    [("jd 0140 6000 0000", "JD014060000000"), (" T1\n", "T1"), ("", ""), ("\t ", ""), ("x" * 65, ""), ("a\x1bb", "")],
)
def test_tracking_numbers_are_read_as_carriers_print_them(typed, number):
    assert clean_tracking_number(typed) == number


def test_table_is_the_one_of_the_design():
    assert {status: sorted(targets) for status, targets in Shipment.TRANSITIONS.items()} == {
        "PENDING": ["BOOKED", "CANCELED"],
        "BOOKED": ["CANCELED", "DISPATCHED", "PENDING"],
        "DISPATCHED": ["DELIVERED"],
        "DELIVERED": [],
        "CANCELED": [],
    }


@pytest.mark.parametrize("target", ["PENDING", "CANCELED", "BOOKED"])
def test_a_parcel_that_left_never_comes_back(target):
    with pytest.raises(IllegalTransition):
        Shipment.TRANSITIONS.check({"DISPATCHED"}, target)


def test_address_shows_nothing_of_itself_but_its_country():
    address = Address("Ada Lovelace", "Allee 1", "c/o B", "Berlin", "10115", "BE", "DE")

    assert repr(address) == "Address(country='DE')"


@pytest.mark.parametrize("name", sorted(gateways.CARRIERS))
def test_every_carrier_can_be_asked_everything(name):
    carrier = gateways.carrier_named(name)

    assert all(callable(getattr(carrier, question)) for question in ("find", "book", "track", "void"))
