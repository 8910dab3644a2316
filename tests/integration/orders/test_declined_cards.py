"""Card testing: whoever has many cards declined is stopped for an hour, and nobody else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from prometheus_client import REGISTRY

from orders.models import Order
from orders.services.order_links import token_of
from shop.rest.throttling import Tally
from tests.driver.factories import UserFactory
from tests.driver.orders import make_due
from tests.driver.provider import Provider, sandbox
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.test_guests import Guest, unpaid

__all__ = ["sandbox"]

POOR, STOLEN = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedStolenCard"
EXPIRED, GOOD, CHALLENGED = "pm_card_chargeDeclinedExpiredCard", "pm_card_visa", "pm_card_authenticationRequired"
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Callable[..., None]:
    """Three declined cards of a customer an hour, and five of a mailbox or an address."""

    def put(one: str = "3/hour", many: str = "5/hour") -> None:
        rates = {"customer": None, "anonymous": None, "declined_cards": one, "declined_cards_of_many": many}
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}

    for cache in caches.all():
        cache.clear()
    for name in ("default", "customers"):
        caches[name].clear()
    put()
    return put


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def is_stopped(answer: Any) -> bool:
    return told(answer) == (429, "too_many_cards_declined")


def from_address(shopper: Shopper, address: str) -> Shopper:
    shopper.client.defaults["REMOTE_ADDR"] = address
    return shopper


def count(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"{metric}_total", labels) or 0.0


def test_the_third_declined_card_is_the_last_one_that_is_tried(shopper: Shopper, sandbox: Provider):
    stopped_before = count("shop_card_attempts_stopped", of="customer")
    first = shopper.place(payment_method=POOR)
    answers = [first, shopper.pay(id_in(first), EXPIRED), shopper.place(payment_method=STOLEN)]
    orders = Order.objects.count()

    placing, paying = shopper.place(payment_method=GOOD), shopper.pay(id_in(first), GOOD)

    assert [told(answer) for answer in answers] == [(402, "card_declined")] * 3
    for answer in (placing, paying):
        assert is_stopped(answer)
        assert 3500 < int(answer["Retry-After"]) <= 3600
        assert answer.json()["facts"]["retry_after_seconds"] == int(answer["Retry-After"])
    assert Order.objects.count() == orders
    assert sandbox.money(id_in(first)) == (0, 0)
    assert count("shop_card_attempts_stopped", of="customer") == stopped_before + 2


def test_two_declined_cards_stop_nobody(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method=POOR))
    shopper.pay(order_id, EXPIRED)

    assert shopper.pay(order_id, GOOD).json()["status"] == "CONFIRMED"
    assert [shopper.place(payment_method=GOOD).status_code for _time in range(4)] == [201] * 4


def test_a_repeated_request_counts_once(shopper: Shopper):
    for _time in range(5):
        assert told(shopper.place(key="one", payment_method=POOR)) == (402, "card_declined")


def test_a_token_that_is_no_good_is_not_a_declined_card(shopper: Shopper):
    order_id = id_in(shopper.place(payment_method=POOR))
    for number in range(3):
        assert told(shopper.pay(order_id, f"pm_nobody_knows_{number}")) == (409, "payment_method_refused")

    assert shopper.pay(order_id, GOOD).json()["status"] == "CONFIRMED"


def test_whoever_is_stopped_may_order_and_pay_later(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    for _card in range(3):
        shopper.place(payment_method=STOLEN)
    waiting = unpaid(shopper)
    assert waiting.status_code == 201
    assert is_stopped(shopper.pay(id_in(waiting), GOOD))

    begun = Tally.timer
    monkeypatch.setattr(Tally, "timer", staticmethod(lambda: begun() + 3601))

    assert shopper.pay(id_in(waiting), GOOD).json()["status"] == "CONFIRMED"


def test_others_are_not_stopped(shopper: Shopper):
    for _card in range(3):
        shopper.place(payment_method=STOLEN)

    assert is_stopped(shopper.place(payment_method=GOOD))
    assert Shopper(UserFactory()).place(payment_method=GOOD).status_code == 201


def test_new_accounts_from_one_address_are_stopped_as_one(mug: str):
    for _account in range(5):
        assert Shopper(UserFactory()).place(payment_method=STOLEN).status_code == 402

    assert is_stopped(Shopper(UserFactory()).place(payment_method=GOOD))
    assert from_address(Shopper(UserFactory()), "192.0.2.7").place(payment_method=GOOD).status_code == 201


def test_guests_close_no_address_to_its_accounts(mug: str):
    for number in range(5):
        assert Guest(f"guest{number}@shop.example").place(payment_method=STOLEN).status_code == 402

    assert is_stopped(Guest("another@shop.example").place(payment_method=GOOD))
    assert Shopper(UserFactory()).place(payment_method=GOOD).status_code == 201


def test_a_limit_of_none_takes_no_card_at_all(mug: str, limits: Callable[..., None]):
    limits(one="0/hour")

    assert is_stopped(Shopper(UserFactory()).place(payment_method=GOOD))


def test_one_network_of_ipv6_is_one_address(mug: str):
    for number in range(5):
        answer = from_address(Shopper(UserFactory()), f"2001:db8::{number}:1").place(payment_method=STOLEN)
        assert answer.status_code == 402

    assert is_stopped(from_address(Shopper(UserFactory()), "2001:db8::ffff").place(payment_method=GOOD))
    assert from_address(Shopper(UserFactory()), "2001:db8:0:1::1").place(payment_method=GOOD).status_code == 201


def test_new_guests_of_one_mailbox_are_stopped_as_one_wherever_they_are(mug: str):
    for number in range(5):
        guest = from_address(Guest("Ada+shop@Shop.example"), f"192.0.2.{number}")
        assert guest.place(payment_method=STOLEN).status_code == 402

    stopped, other = (from_address(Guest(email), "192.0.2.99") for email in ("ada@shop.example", "eve@shop.example"))

    assert is_stopped(stopped.place(payment_method=GOOD))
    assert other.place(payment_method=GOOD).status_code == 201


def test_an_account_is_not_stopped_by_guests_who_name_its_mailbox(mug: str):
    owner = from_address(Shopper(UserFactory(email="ada@shop.example")), "192.0.2.99")
    for number in range(5):
        from_address(Guest("ada@shop.example"), f"192.0.2.{number}").place(payment_method=STOLEN)

    assert owner.place(payment_method=GOOD).status_code == 201


def test_the_link_of_a_mail_is_no_way_around(mug: str):
    guest = Guest()
    order_id = id_in(unpaid(guest))
    holder = Shopper()
    holder.headers = {"X-Order-Token": token_of(order_id=order_id, epoch=1)}
    assert [holder.pay(order_id, card).status_code for card in (POOR, EXPIRED, STOLEN)] == [402] * 3

    assert is_stopped(guest.place(payment_method=GOOD))


def test_what_is_answered_before_it_is_tried_is_asked_about(shopper: Shopper, drain: Callable[[], None]):
    for _card in range(3):
        assert shopper.place(payment_method=STOLEN, headers=ASYNC).status_code == 202
    assert shopper.place(payment_method=STOLEN, headers=ASYNC).status_code == 202
    make_due()
    drain()

    assert is_stopped(shopper.place(payment_method=GOOD))


def test_what_was_paid_in_the_end_is_forgotten(shopper: Shopper, drain: Callable[[], None]):
    for _order in range(4):
        assert shopper.place(payment_method=GOOD, headers=ASYNC).status_code == 202
    assert shopper.place(payment_method=CHALLENGED).status_code == 201
    make_due()
    drain()

    assert shopper.place(payment_method=GOOD).status_code == 201
    tally = Tally("declined_cards", f"customer:{shopper.user and shopper.user.pk}", cache="customers")
    assert len(tally.open_ones()) == 1


def test_what_is_open_does_not_have_declined_cards_forgotten(limits: Callable[..., None]):
    tally = Tally("declined_cards", "customer:somebody", cache="customers")
    for number in range(3):
        tally.note(f"declined {number}")
    for number in range(Tally.MOST + 1):
        tally.note(f"open {number}", open_about="an order")

    assert tally.wait() > 0
    assert len(tally.open_ones()) == Tally.MOST


def test_a_limit_may_be_higher_than_what_is_kept_of_open_ones(limits: Callable[..., None]):
    limits(one=f"{Tally.MOST + 1}/hour")
    tally = Tally("declined_cards", "customer:somebody", cache="customers")
    for number in range(Tally.MOST):
        tally.note(f"declined {number}")
    assert tally.wait() == 0

    tally.note("the last one")

    assert tally.wait() > 0


def test_a_cache_that_is_away_closes_nothing(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    def fail(*_arguments: Any, **_more: Any) -> None:
        raise ConnectionError

    for name in ("get", "set"):
        monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache." + name, fail)

    assert shopper.place(payment_method=STOLEN).status_code == 402
    assert shopper.place(payment_method=GOOD).status_code == 201


def test_a_declined_card_is_counted_by_its_code_and_once(shopper: Shopper):
    codes = ("insufficient_funds", "stolen_card")
    before = [count("shop_payment_declines", code=code) for code in codes]

    shopper.place(payment_method=POOR)
    shopper.place(key="again", payment_method=STOLEN)
    shopper.place(key="again", payment_method=STOLEN)

    assert [count("shop_payment_declines", code=code) for code in codes] == [before[0] + 1, before[1] + 1]


def test_at_the_limit_each_role_is_answered_by_its_rule(mug: str, staff: Shopper):
    owner, guest = Shopper(UserFactory()), Guest()
    orders = {"owner": id_in(unpaid(owner)), "guest": id_in(unpaid(guest))}
    holder = Shopper()
    holder.headers = {"X-Order-Token": token_of(order_id=orders["guest"], epoch=1)}
    for number in range(5):
        assert Shopper(UserFactory()).place(payment_method=STOLEN).status_code == 402
        assert Guest(f"guest{number}@shop.example").place(payment_method=STOLEN).status_code == 402
    callers = {
        "anonymous": Shopper(), "owner": owner, "another customer": Shopper(UserFactory()), "staff": staff, "guest": guest, "link": holder,
    }  # fmt: skip

    found = {
        role: tuple(
            answer.status_code
            for answer in (
                caller.place(payment_method=GOOD),
                caller.pay(orders["owner"], GOOD),
                caller.pay(orders["guest"], GOOD),
                caller.get(f"orders/{orders['owner']}"),
                caller.get(f"orders/{orders['guest']}"),
            )
        )
        for role, caller in callers.items()
    }

    assert found == {
        "anonymous": (401, 401, 401, 401, 401),
        "owner": (429, 429, 404, 200, 404),
        "another customer": (429, 404, 404, 404, 404),
        "staff": (429, 403, 403, 200, 200),
        "guest": (429, 404, 429, 404, 200),
        "link": (401, 404, 429, 404, 200),
    }
