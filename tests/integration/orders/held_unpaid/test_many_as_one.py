"""However many accounts, mailboxes and spellings somebody uses, they hold no more; other people are not kept out."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from orders.models import Order
from orders.queries import Address
from orders.sagas.entry import resume
from orders.services.held_unpaid import same_place
from shop.mail_address import same_mailbox
from tests.driver.factories import UserFactory
from tests.driver.orders import levels, pass_deadline
from tests.driver.provider import in_threads
from tests.driver.sessions import waiting_for
from tests.driver.shopper import Shopper, id_in
from tests.driver.waiting import until
from tests.integration.orders.held_unpaid.holding import (
    ASKS,
    ELSEWHERE,
    MOST,
    STOCK,
    address_of_orders,
    code_of,
    hold,
    verify,
)


@pytest.mark.parametrize("email", ["buyer@shop.example", "Buyer+2@Shop.example"])
def test_other_accounts_hold_no_more_for_the_same_mailbox(email: str, vase: str, shopper: Shopper):
    assert hold(shopper, MOST, email="buyer@shop.example").status_code == 201

    answer = hold(Shopper(UserFactory()), 20, email=email, address={**ELSEWHERE, "name": "Somebody Else"})

    assert code_of(answer) == "too_much_held_unpaid"
    facts = answer.json()["facts"]
    assert (facts["rule"], facts["held"], facts["open_orders"]) == ("email", 0, [])
    assert "allowed" not in facts
    assert "verify the address" in answer.json()["detail"]


@pytest.mark.parametrize(
    "address",
    [
        {"name": "Somebody Else"},
        {"line2": "Flat 7"},
        {"city": "Lisboa"},
        {"line1": "1, HARBOR STREET.", "postal_code": "1100 001"},
        {"line1": "１ Harbor Ｓtreet"},  # noqa: RUF001  the full-width forms of the same letters
    ],
)
def test_a_place_holds_so_many_times_what_one_customer_may(address: Any, vase: str, shopper: Shopper):
    """Of 156 pieces one customer may hold 31, and one place 62."""
    assert [code_of(hold(each, most)) for each, most in ((shopper, MOST), (Shopper(UserFactory()), 25))] == ["201"] * 2
    stranger = Shopper(UserFactory())

    answer = hold(stranger, 7, address=address)

    assert code_of(answer) == "too_much_held_unpaid"
    facts = answer.json()["facts"]
    assert (facts["rule"], facts["held"], facts["open_orders"]) == ("address", 0, [])
    assert "allowed" not in facts
    assert code_of(hold(stranger, 6, address=address)) == "201"


def test_whoever_has_verified_a_mailbox_is_not_limited_by_those_who_name_it(vase: str, shopper: Shopper):
    verify(shopper, "Ada@Shop.example")
    assert code_of(hold(Shopper(UserFactory()), MOST, email="ada@shop.example", address=ELSEWHERE)) == "201"
    assert code_of(hold(Shopper(UserFactory()), 5, email="ada@shop.example")) == "too_much_held_unpaid"

    assert code_of(hold(shopper, 20, email="ada+vases@shop.example")) == "201"


def test_accounts_that_have_verified_one_mailbox_are_one_customer(vase: str, shopper: Shopper):
    twin = Shopper(UserFactory())
    verify(shopper, "ada+1@shop.example")
    verify(twin, "ada+2@shop.example")
    assert code_of(hold(shopper, MOST, email="ada+1@shop.example")) == "201"

    answer = hold(twin, 20, email="ada+2@shop.example", address=ELSEWHERE)

    assert (code_of(answer), answer.json()["facts"]["rule"]) == ("too_much_held_unpaid", "email")


def test_an_address_that_was_entered_and_not_verified_frees_nobody(vase: str, shopper: Shopper):
    EmailAddress.objects.create(user=shopper.user, email="ada@shop.example", verified=False)
    hold(Shopper(UserFactory()), MOST, email="ada@shop.example", address=ELSEWHERE)

    assert code_of(hold(shopper, 20, email="ada@shop.example")) == "too_much_held_unpaid"


def test_those_without_a_card_keep_out_nobody_who_has_one(vase: str, shopper: Shopper):
    """A card whose bank asks is held against other such cards, and against its own customer's orders."""
    for most in (MOST, 25, 6):
        assert code_of(hold(Shopper(UserFactory()), most)) == "201"
    assert code_of(hold(shopper, 5)) == "too_much_held_unpaid"

    assert code_of(hold(shopper, 15, card=ASKS)) == "201"

    assert code_of(hold(shopper, 5, card=ASKS)) == "too_much_held_unpaid"


def test_cards_that_wait_count_together_at_one_place_and_for_one_mailbox(vase: str, shopper: Shopper):
    for most in (MOST, 25, 6):
        assert (
            code_of(hold(Shopper(UserFactory()), most, card=ASKS, email="ada@shop.example" * (most == MOST))) == "201"
        )

    at_the_place = hold(shopper, 1, card=ASKS)
    for_the_mailbox = hold(shopper, 1, card=ASKS, email="ada@shop.example", address=ELSEWHERE)

    facts = [each.json()["facts"] for each in (at_the_place, for_the_mailbox)]
    assert [each["rule"] for each in facts] == ["address", "email"]
    assert [each["open_orders"] for each in facts] == [[], []]


def test_other_people_are_not_kept_out(vase: str, shopper: Shopper):
    assert hold(shopper, MOST).status_code == 201

    assert hold(Shopper(UserFactory()), 20, address=ELSEWHERE).status_code == 201


def test_nobody_keeps_a_payer_out_by_naming_their_address(vase: str, shopper: Shopper):
    assert hold(Shopper(UserFactory()), MOST).status_code == 201

    assert shopper.place(sku="VASE", quantity=MOST).json()["status"] == "CONFIRMED"


def test_addresses_are_compared_by_setting(vase: str, shopper: Shopper, settings: Any):
    """A shop whose parcels are all fetched at one counter."""
    settings.LIMIT_HELD_UNPAID_BY_ADDRESS = False
    assert hold(shopper, MOST).status_code == 201

    assert hold(Shopper(UserFactory()), 20).status_code == 201
    assert set(Order.objects.values_list("email_key", "address_key")) == {(None, None)}


def test_an_earlier_key_still_gets_its_order(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST, key="0123456789abcdef-one-key"))

    again = hold(shopper, MOST, key="0123456789abcdef-one-key")

    assert (again.status_code, id_in(again)) == (201, first)


def test_orders_of_one_customer_at_the_same_moment_do_not_pass_the_limit(vase: str, shopper: Shopper):
    answers = in_threads(*[lambda: hold(shopper, 20) for _each in range(6)])

    assert sorted(map(code_of, answers)) == ["201"] + ["too_much_held_unpaid"] * 5
    assert levels("VASE") == (STOCK - 20, 20, 0)


def test_the_last_of_the_room_is_taken_once_by_accounts_that_waited_for_it(vase: str, shopper: Shopper):
    """Their customers' locks are different; the lock of the address is one."""
    accounts = [Shopper(UserFactory()) for _each in range(2)]
    hold(shopper, MOST)
    hold(Shopper(UserFactory()), 20)
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with address_of_orders() as cursor:
            locked.set()
            until(lambda: waiting_for(cursor) == 2, "two orders wait for the lock of their address")

    def order(account: Shopper) -> str:
        locked.wait(30)
        return code_of(hold(account, 10))

    _held, *codes = in_threads(hold_until_both_wait, *[partial(order, account) for account in accounts])

    assert sorted(codes) == ["201", "too_much_held_unpaid"]


def test_an_order_that_pays_does_not_wait_for_others_at_its_address(vase: str, shopper: Shopper):
    with address_of_orders():
        (answer,) = in_threads(lambda: shopper.place(sku="VASE"))

    assert answer.status_code == 201


def test_keys_stand_on_an_order_only_while_it_waits_for_its_payment(vase: str, shopper: Shopper):
    waiting, paid, canceled, late = [id_in(hold(shopper, 1)) for _each in range(4)]
    shopper.place(sku="VASE")
    shopper.pay(paid, "pm_card_visa")
    shopper.cancel(canceled)
    pass_deadline(late)
    resume(order_id=late)

    kept = {order.pk for order in Order.objects.exclude(email_key=None, address_key=None)}

    assert kept == {waiting}
    assert not Order.objects.filter(unjudged=True).exists()
    assert None not in Order.objects.values_list("email_key", "address_key").get(pk=waiting)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ada@shop.example", "ADA+toys@Shop.Example", True),
        ("a.da@gmail.com", "ada@GMAIL.com", True),
        ("a.da@shop.example", "ada@shop.example", False),
        ("ada@shop.example", "ada@other.example", False),
        ("ada@shop.example", "ada@\uff53hop\uff0eexample", True),
        ("a.da@gmail.com", "ada@\uff47mail.com", True),
        ("ada@b\u00fccher.example", "ada@XN--bcher-kva.example", True),
        ("ada@b\u00fccher.example", "ada@bucher.example", False),
        ("ada@shop.example", "ada@sh\u00b7op.example", False),
    ],
)
def test_one_mailbox_by_several_names(one: str, other: str, same: bool):
    assert (same_mailbox(one) == same_mailbox(other)) is same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "Bob", "region": "Lisboa", "line2": "3º Esq.", "city": "Lisbon"}, True),
        ({"line1": "Rua  da Prac\u0327a, n. 1"}, False),
        ({"line1": "rua da prac\u0327a-1"}, True),
        ({"postal_code": "11-00"}, True),
        ({"line1": "RUA DA PRACA, 1"}, True),
        ({"line1": "Rua da Praça 2"}, False),
        ({"postal_code": "1200"}, False),
        ({"country": "ES"}, False),
    ],
)
def test_one_place_in_several_spellings(change: dict[str, str], same: bool):
    place = {
        "name": "Ada",
        "line1": "Rua da Praça 1",
        "line2": "",
        "city": "Lisboa",
        "region": "",
        "postal_code": "1100",
    }

    assert (
        same_place(Address(**{"country": "PT", **place})) == same_place(Address(**{"country": "PT", **place, **change}))
    ) is same
