"""Nobody holds most of a product without paying, however they ask; whoever pays, and whoever else buys, is let in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connections
from django.db.backends.utils import CursorWrapper

from inventory import api as inventory
from orders.models import Contact, Order, OrderLine, Outbox, Saga
from orders.queries import Address
from orders.sagas.entry import resume, resume_due
from orders.services.held_unpaid import holder_keys, same_place
from shop import coalescing, transactions
from shop.mail_address import same_mailbox
from shop.money import Money
from shop.rest.problem import known_problems
from tests.driver.factories import AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.orders import levels, pass_deadline, payment, reservation, saga_of, status_of
from tests.driver.provider import Provider, in_threads
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.driver.waiting import until
from tests.integration.orders.test_open_orders import waiting_for

# Of 156 pieces, a fifth is 31.
STOCK, MOST = 156, 31
ELSEWHERE: dict[str, Any] = {"line1": "2 Mill Lane", "city": "Porto", "postal_code": "4000"}
# A card whose bank asks its customer.
ASKS = "pm_card_authenticationRequired"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.MAX_HELD_UNPAID_PIECES = 10
    settings.MAX_HELD_UNPAID_SHARE = 0.2
    settings.MAX_HELD_UNPAID_PLACE_FACTOR = 2
    settings.LIMIT_HELD_UNPAID_BY_ADDRESS = True


@pytest.fixture
def vase(database: None) -> str:
    return ProductFactory(sku="VASE", stock=STOCK)


def hold(
    shopper: Shopper,
    quantity: int,
    *,
    key: str = "",
    sku: str = "VASE",
    address: Any = None,
    email: str = "",
    card: str = "",
    **headers: str,
) -> Any:
    """Order without a payment method, or with `card`."""
    body: dict[str, Any] = OrderBodyFactory(
        sku=sku, quantity=quantity, shipping_address=AddressFactory(**address or {})
    )
    del body["payment_method"]
    body |= ({"email": email} if email else {}) | ({"payment_method": card} if card else {})
    return shopper.post("orders", body, key=key, **headers)


def named(*order_ids: Any) -> list[dict[str, str]]:
    """Return orders as a refusal names them."""
    orders = [Order.objects.get(pk=order_id) for order_id in order_ids]
    return [{"order_id": str(order.pk), "number": order.number, "status": order.status} for order in orders]


def verify(shopper: Shopper, email: str) -> None:
    EmailAddress.objects.create(user=shopper.user, email=email, verified=True)


def recorded() -> list[int]:
    return [model._default_manager.count() for model in (Order, OrderLine, Contact, Saga)]


def code_of(answer: Any) -> str:
    return str(answer.json().get("code", answer.status_code))


def test_a_hold_of_nearly_everything_is_refused_and_leaves_nothing(vase: str, shopper: Shopper):
    before = recorded()

    answer = hold(shopper, 150)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "too_much_held_unpaid")
    assert body["facts"] == {
        "sku": "VASE",
        "wanted": 150,
        "rule": "customer",
        "held": 0,
        "allowed": MOST,
        "open_orders": [],
    }
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

    assert (answer.json()["facts"]["sku"], answer.json()["facts"]["wanted"]) == ("VASE", 32)


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


def test_a_card_that_waits_for_its_customer_holds_no_more_than_no_card(vase: str, shopper: Shopper, sandbox: Provider):
    answer = hold(shopper, 150, card=ASKS)

    order_id = id_in(answer)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "too_much_held_unpaid")
    assert body["facts"] == {
        "sku": "VASE",
        "wanted": 150,
        "rule": "customer",
        "held": 0,
        "allowed": MOST,
        "open_orders": [],
        "order_id": str(order_id),
        "order_status": "CANCELED",
        "cancel_reason": "too_much_held_unpaid",
    }
    assert "approved" in body["detail"]
    assert "a card that needs no approval" in body["detail"]
    assert (reservation(order_id), payment(order_id), levels("VASE")) == ("RELEASED", "VOIDED", (STOCK, 0, 0))
    assert sandbox.intent(order_id).status == "canceled"
    told = Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", flat=True)
    assert list(told) == ["order.placed", "order.canceling", "order.canceled"]


def test_a_card_that_waits_within_the_limit_is_approved_and_confirmed(vase: str, shopper: Shopper, sandbox: Provider):
    answer = hold(shopper, MOST, card=ASKS)
    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")

    sandbox.answer_challenge(id_in(answer), "approve")

    assert shopper.pay(id_in(answer)).json()["status"] == "CONFIRMED"


@pytest.mark.parametrize("cards", [("", ASKS), (ASKS, ""), (ASKS, ASKS)])
def test_what_is_held_with_and_without_a_card_adds_up(cards: tuple[str, str], vase: str, shopper: Shopper):
    first, second = cards
    holds = hold(shopper, 20, card=first)

    answer = hold(shopper, 20, card=second)

    assert code_of(answer) == "too_much_held_unpaid"
    facts = answer.json()["facts"]
    assert (facts["held"], facts["allowed"], facts["open_orders"]) == (20, MOST, named(id_in(holds)))
    assert facts["open_orders"][0]["number"] in answer.json()["detail"]
    assert levels("VASE") == (STOCK - 20, 20, 0)


def test_a_card_that_does_not_wait_is_taken_whatever_waits(vase: str, shopper: Shopper):
    hold(shopper, MOST, card=ASKS)

    assert shopper.place(sku="VASE", quantity=125).json()["status"] == "CONFIRMED"


@pytest.mark.parametrize("end", ["cancel", "cancel by staff", "deadline"])
def test_a_card_that_waited_makes_room_at_its_end(end: str, vase: str, shopper: Shopper, staff: Shopper):
    first = id_in(hold(shopper, MOST, card=ASKS))
    if end == "deadline":
        pass_deadline(first)
        resume(order_id=first)
    else:
        (staff if "staff" in end else shopper).cancel(first)
    assert status_of(first) == "CANCELED"

    assert code_of(hold(shopper, MOST, card=ASKS)) == "201"


def test_an_order_that_waits_is_judged_once(vase: str, shopper: Shopper):
    """What others buy meanwhile makes the share smaller, and turns nobody around who waits."""
    waits = id_in(hold(shopper, MOST, card=ASKS))
    shopper.place(sku="VASE", quantity=100)

    resume(order_id=waits)

    assert (status_of(waits), saga_of(waits).waiting_for) == ("AWAITING_PAYMENT", "customer")


def test_an_order_that_was_let_in_without_a_card_may_be_paid_with_one_that_waits(vase: str, shopper: Shopper):
    first = id_in(hold(shopper, MOST))
    hold(Shopper(UserFactory()), 20)

    answer = shopper.pay(first, ASKS)

    assert (answer.status_code, answer.json()["next_action"]) == (201, "authenticate")


def test_an_order_that_is_only_recorded_is_judged_by_the_worker(vase: str, shopper: Shopper):
    waits, too_much = [id_in(hold(shopper, 20, card=ASKS, Prefer="respond-async")) for _each in range(2)]
    assert levels("VASE") == (STOCK, 0, 0)

    resume_due()

    assert [status_of(waits), status_of(too_much)] == ["AWAITING_PAYMENT", "CANCELED"]
    assert levels("VASE") == (STOCK - 20, 20, 0)
    assert Order.objects.get(pk=too_much).refusal["open_orders"] == named(waits)


def test_the_same_key_gets_the_same_refusal_of_the_same_order(vase: str, shopper: Shopper):
    key = "0123456789abcdef-too-much"
    first = hold(shopper, 150, card=ASKS, key=key)

    again = hold(shopper, 150, card=ASKS, key=key)

    assert (again.status_code, again.json()["code"], id_in(again)) == (409, "too_much_held_unpaid", id_in(first))
    assert Order.objects.count() == 1


def test_a_card_of_which_the_answer_was_lost_is_judged_once_that_is_there(
    vase: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET")
    order_id = id_in(hold(shopper, 150, card=ASKS))
    assert status_of(order_id) == "AWAITING_PAYMENT"
    # Whether it has to wait is not known, and what it holds counts.
    assert code_of(hold(Shopper(UserFactory()), 10)) == "too_much_held_unpaid"

    settle()

    assert Order.objects.values_list("status", "cancel_reason").get(pk=order_id) == ("CANCELED", "too_much_held_unpaid")
    assert levels("VASE") == (STOCK, 0, 0)


def test_two_workers_of_one_order_judge_it_once(vase: str, shopper: Shopper):
    shopper.place()  # the threads share the client of the provider that this makes
    order_id = id_in(hold(shopper, MOST, card=ASKS, Prefer="respond-async"))

    in_threads(*[lambda: resume(order_id=order_id) for _each in range(4)])

    assert status_of(order_id) == "AWAITING_PAYMENT"
    assert Outbox.objects.filter(aggregate_id=order_id, type="order.awaiting_payment").count() == 1


def test_an_order_of_the_release_before_waits_as_it_did(vase: str, shopper: Shopper):
    order_id = id_in(hold(shopper, 150, card=ASKS, Prefer="respond-async"))
    execute("orders", "UPDATE orders_order SET unjudged = false WHERE id = %s", order_id)

    resume_due()

    assert (status_of(order_id), saga_of(order_id).waiting_for) == ("AWAITING_PAYMENT", "customer")


def test_nobody_is_kept_from_what_is_not_for_sale_any_more(
    vase: str, shopper: Shopper, sandbox: Provider, settle: Callable[[], None]
):
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")
    sandbox.fail("lost_answer", "/v1/payment_intents/*", method="GET")
    order_id = id_in(hold(shopper, 150, card=ASKS))
    inventory.change_product(sku="VASE", name="The vase", price=Money(1250, "EUR"), active=False)

    settle()

    assert (status_of(order_id), saga_of(order_id).waiting_for) == ("AWAITING_PAYMENT", "customer")


@pytest.fixture(params=["alone", "together"])
def both_ways(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test with each order's stock reserved in a transaction of its own, and with all in the batches of many."""
    settings.COALESCE = request.param == "together"
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield
    coalescing.stop()


@pytest.mark.usefixtures("both_ways")
def test_cards_of_one_customer_that_wait_at_the_same_moment_do_not_pass_the_limit(vase: str, shopper: Shopper):
    shopper.place()  # the threads share the client of the provider that this makes

    answers = in_threads(*[lambda: hold(shopper, 20, card=ASKS) for _each in range(6)])

    assert sorted(map(code_of, answers)) == ["201"] + ["too_much_held_unpaid"] * 5
    assert levels("VASE") == (STOCK - 20, 20, 0)


def test_the_last_of_the_room_is_taken_once_by_cards_that_waited_for_it(vase: str, shopper: Shopper):
    """Their customers' locks are different; the lock of the address is one."""
    accounts = [Shopper(UserFactory()) for _each in range(2)]
    hold(shopper, MOST, card=ASKS)
    hold(Shopper(UserFactory()), 20, card=ASKS)
    locked = threading.Event()

    def hold_until_both_wait() -> None:
        with address_of_orders() as cursor:
            locked.set()
            until(lambda: waiting_for(cursor) == 2, "two orders wait for the lock of their address")

    def order(account: Shopper) -> str:
        locked.wait(30)
        return code_of(hold(account, 10, card=ASKS))

    _held, *codes = in_threads(hold_until_both_wait, *[partial(order, account) for account in accounts])

    assert sorted(codes) == ["201", "too_much_held_unpaid"]


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


@contextmanager
def address_of_orders() -> Iterator[CursorWrapper]:
    """Hold what an order without a payment method holds while it is being recorded, to the factory's address."""
    key = holder_keys(email="", address=Address(**{"line2": "", "region": "", **AddressFactory()})).address_key
    with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield cursor


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
