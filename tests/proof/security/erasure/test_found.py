"""Which orders and accounts are a person's, whatever they were found by."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry

from orders.models import Contact, Order
from shipping.models import Shipment
from shop.personal import erasure, keepers
from shop.personal.accounts import person_of
from shop.personal.export import export_person
from tests.driver.orders import placed, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.erasure.person import EMAIL, ENDED, asked, body, die_at, erased, named_in, tables


def test_an_order_that_somebody_else_placed_loses_its_recipient_only(
    shopper: Shopper, neighbor: Shopper, settle: Callable[[], None]
):
    order_id = id_in(neighbor.post("orders", body()))
    neighbor.cancel(order_id)
    settle()
    order = Order.objects.get(pk=order_id)

    assert erased(asked(shopper))

    assert named_in(tables(), EMAIL, "Quux") == []
    kept = Order.objects.get(pk=order_id)
    assert (kept.idempotency_key, kept.fingerprint, kept.payment_method) == (
        order.idempotency_key, order.fingerprint, "pm_card_visa",
    )  # fmt: skip
    assert neighbor.order(order_id)["email"] == "erased@erased.invalid"


def test_an_order_that_is_half_erased_is_found_again(
    neighbor: Shopper, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    order_id = id_in(neighbor.post("orders", body()))
    settle()
    erasure_id = erasure.ask(person_of(email=EMAIL), asked_by="a test")
    with monkeypatch.context() as patches:
        die_at("shipping", "before", patches)
        with pytest.raises(SystemExit):
            erasure.carry_out(erasure_id)

    assert erased(erasure_id)

    shipment = Shipment.objects.get(order_id=order_id)
    assert (status_of(order_id), shipment.tracking_number, shipment.carrier_reference) == ("DELIVERED", "erased", "")


def test_an_address_that_an_account_never_confirmed_finds_nobody_else_s_orders(
    shopper: Shopper, neighbor: Shopper, settle: Callable[[], None]
):
    shopper.cancel(id_in(shopper.post("orders", body())))
    settle()
    EmailAddress.objects.create(user=neighbor.user, email=EMAIL.upper(), verified=False)
    person = person_of(user_id=neighbor.user.pk)

    assert "Quux" not in json.dumps(export_person(person)["orders"])
    assert erased(erasure.ask(person, asked_by="a test"))
    assert Contact.objects.filter(email=EMAIL).count() == 1


def test_a_guest_is_found_by_the_address_of_an_order(settle: Callable[[], None], mug: str, sandbox: Provider):
    order_id = placed()
    settle()
    assert status_of(order_id) in ENDED

    assert erased(erasure.ask(person_of(email=EMAIL.title()), asked_by="a test"))

    assert named_in(tables(), EMAIL, "Quux") == []


def test_an_address_is_found_whatever_its_letters(settle: Callable[[], None], mug: str, sandbox: Provider):
    order_id = placed()
    settle()
    Contact.objects.filter(pk=order_id).update(email="Ada@stra\u00dfe.example")

    found = keepers.find_orders(person_of(email="aDA@STRA\u00dfE.example"))

    assert [each.order_id for each in found] == [order_id]


def test_what_the_trail_says_of_an_address_goes_with_its_account(shopper: Shopper, staff: Shopper):
    """Written after the request and before the account is closed: an entry about an address that only it has."""
    erasure_id = asked(shopper)
    LogEntry.objects.log_actions(
        user_id=staff.user.pk,
        queryset=EmailAddress.objects.filter(user=shopper.user),
        action_flag=2,
        single_object=True,
    )

    assert erased(erasure_id)

    assert named_in(tables(), EMAIL) == []
