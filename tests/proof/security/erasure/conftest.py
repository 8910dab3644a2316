"""A shop in which a person and a neighbor have bought, and clocks that a test lets pass."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.test import Client

from shop.personal import erasure
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import UserFactory
from tests.driver.orders import STATUSES
from tests.driver.provider import Provider
from tests.driver.shop import come_to_rest, order_in
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.erasure.person import ADDRESS, EMAIL, LateClock, body

__all__ = ["order_in"]


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every order of the stage go to the person."""
    monkeypatch.setattr("tests.driver.orders.ADDRESS", ADDRESS)


@pytest.fixture(autouse=True)
def late_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "clock", LateClock())


@pytest.fixture
def shopper(mug: str) -> Shopper:
    user = UserFactory(email=EMAIL, first_name="quuxfirst", last_name="Quuxworth")
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True, verified=True)
    return Shopper(user)


@pytest.fixture
def settle(drain: Callable[[], None]) -> Callable[[], None]:
    """Let the shop come to rest, and the time pass in which a fact may still be on its way."""

    def run() -> None:
        come_to_rest(drain)
        let_all_be_heard()

    return run


@pytest.fixture
def neighbor(mug: str) -> Shopper:
    return Shopper(UserFactory(email="neighbor@elsewhere.example", first_name="Nadia"))


@pytest.fixture
def whole_life(
    shopper: Shopper, neighbor: Shopper, staff: Shopper, order_in: Callable[[str], uuid.UUID], sandbox: Provider
) -> Shopper:
    """A person with an order in every state, kept answers, a second factor, sessions, and a place in the staff's trail."""
    Authenticator.objects.create(user=shopper.user, type="totp", data={"secret": "quuxfirst"})
    assert neighbor.place().status_code == 201
    ordered = shopper.post("orders", body())
    assert ordered.status_code == 201
    refund = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "Quux called"}
    assert staff.post(f"orders/{id_in(ordered)}/refunds", refund).status_code == 201
    shopper.cancel(id_in(ordered))
    LogEntry.objects.log_actions(
        user_id=staff.user.pk,
        queryset=[shopper.user],
        action_flag=2,
        change_message="set the name quuxfirst",
        single_object=True,
    )
    # A parcel that arrives takes the others of that moment along.
    for status in sorted(STATUSES, key=["DELIVERED", "SHIPPED"].__contains__, reverse=True):
        order_in(status)
    sandbox.heal()
    return shopper


@pytest.fixture
def desk(database: None) -> Client:
    client = Client()
    names = ("shop.view_user", "shop.change_user", "shop.view_erasure", "shop.erase_person")
    client.force_login(UserFactory(email="desk@shop.example", is_staff=True, permissions=names))
    return client
