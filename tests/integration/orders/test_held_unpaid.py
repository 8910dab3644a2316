"""Nobody holds most of a product without paying, however they ask; whoever pays, and whoever else buys, is let in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connections
from django.db.backends.utils import CursorWrapper

from orders.models import Contact, Order, OrderLine, Saga
from orders.queries import Address
from orders.sagas.run import resume
from orders.services.holding import holder_keys, same_place
from shop import transactions
from shop.mail_address import same_mailbox
from shop.rest.problem import known_problems
from tests.factories import AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.integration.orders.conftest import Shopper, id_in, levels, pass_deadline, status_of
from tests.integration.orders.test_open_orders import waiting_for
from tests.process.conftest import until
from tests.provider import in_threads

# Of 156 pieces, a fifth is 31.
STOCK, MOST = 156, 31
ELSEWHERE: dict[str, Any] = {"line1": "2 Mill Lane", "city": "Porto", "postal_code": "4000"}


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.MAX_HELD_UNPAID_PIECES = 10
    settings.MAX_HELD_UNPAID_SHARE = 0.2
    settings.LIMIT_HELD_UNPAID_BY_ADDRESS = True


@pytest.fixture
def vase(database: None) -> str:
    return ProductFactory(sku="VASE", stock=STOCK)


def hold(
    shopper: Shopper, quantity: int, *, key: str = "", sku: str = "VASE", address: Any = None, email: str = ""
) -> Any:
    """Order without a payment method."""
    body: dict[str, Any] = OrderBodyFactory(
        sku=sku, quantity=quantity, shipping_address=AddressFactory(**address or {})
    )
    del body["payment_method"]
    return shopper.post("orders", body | ({"email": email} if email else {}), key=key)


def recorded() -> list[int]:
    return [model._default_manager.count() for model in (Order, OrderLine, Contact, Saga)]


def code_of(answer: Any) -> str:
    return str(answer.json().get("code", answer.status_code))


def test_a_hold_of_nearly_everything_is_refused_and_leaves_nothing(vase: str, shopper: Shopper):
    before = recorded()

    answer = hold(shopper, 150)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "too_much_held_unpaid")
    assert body["facts"] == {"sku": "VASE", "wanted": 150}
    assert "send a payment method" in body["title"]
    assert (recorded(), levels("VASE")) == (before, (STOCK, 0, 0))
    assert "too_much_held_unpaid" in known_problems()


@pytest.mark.parametrize(("quantity", "expected"), [(MOST, "201"), (MOST + 1, "too_much_held_unpaid")])
def test_a_share_of_what_is_free_is_held(quantity: int, expected: str, vase: str, shopper: Shopper):
    assert code_of(hold(shopper, quantity)) == expected


@pytest.mark.parametrize(("quantity", "expected"), [(10, "201"), (11, "too_much_held_unpaid")])
def test_of_little_stock_so_many_pieces_are_held(quantity: int, expected: str, shopper: Shopper):
    ProductFactory(sku="RARE", stock=12)

    assert code_of(hold(shopper, quantity, sku="RARE")) == expected


def test_what_several_orders_hold_adds_up(vase: str, shopper: Shopper):
    held = [code_of(hold(shopper, 10)) for _each in range(4)]

    assert held == ["201", "201", "201", "too_much_held_unpaid"]
    assert levels("VASE") == (STOCK - 30, 30, 0)


def test_what_several_lines_hold_adds_up(vase: str, shopper: Shopper):
    body: dict[str, Any] = OrderBodyFactory(lines=[{"sku": "VASE", "quantity": 16}] * 2)
    del body["payment_method"]

    answer = shopper.post("orders", body)

    assert answer.json()["facts"] == {"sku": "VASE", "wanted": 32}


def test_each_product_has_a_limit_of_its_own(vase: str, shopper: Shopper):
    ProductFactory(sku="BOWL", stock=STOCK)

    assert [code_of(hold(shopper, MOST, sku=sku)) for sku in ("VASE", "BOWL")] == ["201", "201"]


def test_an_order_that_pays_is_let_in_whatever_it_takes(vase: str, shopper: Shopper):
    answer = shopper.place(sku="VASE", quantity=150)

    assert (answer.status_code, answer.json()["status"]) == (201, "CONFIRMED")
    assert shopper.place(sku="VASE", quantity=6).json()["status"] == "CONFIRMED"


def test_what_is_paid_is_held_no_more(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    assert code_of(hold(shopper, MOST)) == "too_much_held_unpaid"

    assert shopper.pay(first, "pm_card_visa").status_code == 201

    assert hold(shopper, 20).status_code == 201


def test_canceling_makes_room(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    shopper.cancel(first)

    assert hold(shopper, MOST).status_code == 201


def test_an_order_that_was_never_paid_makes_room_when_its_time_is_over(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    pass_deadline(first)
    resume(order_id=first)

    assert hold(shopper, MOST).status_code == 201


def test_cards_that_wait_for_their_customer_hold_once(vase: str, shopper: Shopper):
    """A card proves nothing before its customer has authenticated."""
    first = shopper.place(sku="VASE", quantity=50, payment_method="pm_card_authenticationRequired")
    assert status_of(id_in(first)) == "AWAITING_PAYMENT"

    answers = [
        shopper.place(sku="VASE", quantity=50, payment_method="pm_card_authenticationRequired"),
        hold(shopper, 1),
        shopper.place(sku="MUG", quantity=1),
    ]

    assert list(map(code_of, answers)) == ["too_much_held_unpaid", "too_much_held_unpaid", "201"]


@pytest.mark.parametrize(
    ("email", "address"),
    [
        ("buyer@shop.example", {**ELSEWHERE, "name": "Somebody Else"}),
        ("Buyer+2@Shop.example", ELSEWHERE),
        ("other@shop.example", {"name": "Somebody Else"}),
        ("other@shop.example", {"line1": "1, HARBOR STREET.", "postal_code": "1100 001"}),
        ("other@shop.example", {"line1": "1 Harbor", "line2": "Street"}),
    ],
)
def test_other_accounts_hold_no_more_by_the_same_email_or_at_the_same_address(
    email: str, address: Any, vase: str, shopper: Shopper
):
    assert hold(shopper, MOST, email="buyer@shop.example").status_code == 201

    answer = hold(Shopper(UserFactory()), MOST, email=email, address=address)

    assert code_of(answer) == "too_much_held_unpaid"


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
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with address_of_orders() as cursor:
            locked.set()
            until(lambda: waiting_for(cursor) == 2, "two orders wait for the lock of their address")

    def order(account: Shopper) -> str:
        locked.wait(30)
        return code_of(hold(account, 20))

    _held, *codes = in_threads(hold_until_both_wait, *[partial(order, account) for account in accounts])

    assert sorted(codes) == ["201", "too_much_held_unpaid"]


def test_an_order_that_pays_does_not_wait_for_others_at_its_address(vase: str, shopper: Shopper):
    with address_of_orders():
        (answer,) = in_threads(lambda: shopper.place(sku="VASE"))

    assert answer.status_code == 201


@contextmanager
def address_of_orders() -> Iterator[CursorWrapper]:
    """Hold what an order without a payment method holds while it is being recorded, to the factory's address."""
    key = holder_keys(email="", address=Address(**{"line2": "", "region": "", **AddressFactory()})).address_key
    with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield cursor


def test_keys_stand_on_an_order_only_while_it_waits_for_its_payment(vase: str, shopper: Shopper):
    waiting, paid, canceled, late = [id_in(hold(shopper, 1)) for _each in range(4)]
    shopper.pay(paid, "pm_card_visa")
    shopper.cancel(canceled)
    pass_deadline(late)
    resume(order_id=late)

    kept = {order.pk for order in Order.objects.exclude(email_key=None, address_key=None)}

    assert kept == {waiting}
    assert None not in Order.objects.values_list("email_key", "address_key").get(pk=waiting)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ada@shop.example", "ADA+toys@Shop.Example", True),
        ("a.da@gmail.com", "ada@GMAIL.com", True),
        ("a.da@shop.example", "ada@shop.example", False),
        ("ada@shop.example", "ada@other.example", False),
    ],
)
def test_one_mailbox_by_several_names(one: str, other: str, same: bool):
    assert (same_mailbox(one) == same_mailbox(other)) is same


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "Bob", "region": "Lisboa"}, True),
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
