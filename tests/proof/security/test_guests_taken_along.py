"""Whoever proves that a mailbox is theirs takes the orders of its guests along; nobody else does, and nothing is done twice."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connections
from django.test import Client

from orders.models import Order, Outbox
from orders.services.order_links import open_by, token_of
from orders.services.take_along import take_along
from shop import transactions
from shop.models import GuestTaking, User
from shop.personal import erasure, guests
from shop.personal.accounts import person_of
from shop.story.timeline import story_of
from shop.tasks import take_guests_along
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import PASSWORD, UserFactory
from tests.driver.orders import status_of
from tests.driver.provider import Provider, sandbox
from tests.driver.sessions import waiting_for
from tests.driver.shop import mug, settle, shop_at_rest
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.driver.waiting import until
from tests.proof.security.test_guests import ELSEWHERE, EMAIL, Guest, code_of, unpaid

__all__ = ["mug", "sandbox", "settle", "shop_at_rest"]


@pytest.fixture
def guest(mug: str) -> Guest:
    return Guest()


def post(path: str, body: Any) -> Any:
    return Client().post(f"/_allauth/app/v1/auth/{path}", body, content_type="application/json")


def key_in(mail_about: str) -> str:
    [found] = [re.search(rf"/account/{mail_about}/(\S+)", str(message.body)) for message in mail.outbox]
    assert found is not None
    return found[1].replace("%3A", ":")


def account(email: str = EMAIL, *, verified: bool = True) -> Shopper:
    """Return an account that signs in; its mailbox is verified after that, unless it is not."""
    shopper = Shopper(UserFactory(email=email))
    EmailAddress.objects.create(user=shopper.user, email=email, verified=verified, primary=True)
    return shopper


def sign_in(shopper: Shopper) -> Any:
    """Sign in as a storefront does, with the password."""
    assert shopper.user is not None
    return post("login", {"email": shopper.user.email, "password": PASSWORD})


def owner_of(order_id: uuid.UUID) -> uuid.UUID:
    return Order.objects.get(pk=order_id).customer_id


def listed(shopper: Shopper) -> list[str]:
    return [order["id"] for order in shopper.get("orders").json()["results"]]


def test_signing_up_takes_the_orders_along_once_the_address_is_verified(guest: Guest):
    order_id = id_in(guest.place())
    post("signup", {"email": EMAIL, "password": PASSWORD})
    user = User.objects.get(email=EMAIL)

    take_guests_along()
    assert owner_of(order_id) == guest.user.pk

    assert post("email/verify", {"key": key_in("verify-email")}).status_code in (200, 401)
    take_guests_along()

    owner = Shopper(user)
    assert (owner_of(order_id), listed(owner)) == (user.pk, [str(order_id)])
    assert owner.order(order_id)["id"] == str(order_id)
    assert owner.cancel(order_id).status_code == 200


def test_a_password_that_is_reset_by_mail_proves_the_mailbox(guest: Guest):
    order_id, user = id_in(guest.place()), UserFactory(email=EMAIL)
    post("password/request", {"email": EMAIL})

    answer = Client().post(
        "/_allauth/app/v1/auth/password/reset",
        {"key": key_in("password/reset/key"), "password": "a-longer-passphrase-7"},
        content_type="application/json",
    )
    take_guests_along()

    assert answer.status_code in (200, 401), answer.content
    assert owner_of(order_id) == user.pk


def test_a_sign_in_with_a_verified_mailbox_takes_along_what_was_ordered_since(guest: Guest):
    owner = account()
    order_id = id_in(guest.place())
    take_guests_along()
    assert owner_of(order_id) == guest.user.pk

    assert sign_in(owner).status_code == 200
    take_guests_along()

    assert listed(owner) == [str(order_id)]


@pytest.mark.parametrize("proof", ["an address that nobody has verified", "another address", "a part behind a plus"])
def test_nobody_else_takes_an_order_along(proof: str, guest: Guest):
    order_id = id_in(guest.place())
    email = {"another address": "eve@shop.example", "a part behind a plus": "ada+eve@shop.example"}.get(proof, EMAIL)
    thief = account(email, verified=proof != "an address that nobody has verified")

    assert sign_in(thief).status_code == 200
    take_guests_along()

    assert (owner_of(order_id), listed(thief), GuestTaking.objects.count()) == (guest.user.pk, [], 0)


def test_the_guest_notices_nothing_and_still_sees_what_it_has_placed(guest: Guest):
    order_id = id_in(unpaid(guest))
    before = guest.order(order_id)

    guests.take_guests_along(user_id=account().user.pk)
    take_guests_along()

    assert guest.order(order_id) == before
    assert listed(guest) == [str(order_id)]
    assert guest.pay(order_id, "pm_card_visa").status_code == 201
    assert Guest().get(f"orders/{order_id}").status_code == 404


def test_a_repeated_request_of_the_guest_meets_its_order_and_places_no_second_one(guest: Guest):
    order_id = id_in(guest.place(key="key-1"))
    owner = account()
    own = id_in(owner.place(key="key-1"))
    guests.take_guests_along(user_id=owner.user.pk)
    take_guests_along()
    # As if the answer had not been kept.
    execute("shop", "DELETE FROM shop_idempotencykey")

    again, otherwise = guest.place(key="key-1"), guest.place(key="key-1", quantity=2)

    assert (again.status_code, again.json()["id"]) == (201, str(order_id))
    assert otherwise.json()["code"] == "idempotency_key_reused"
    assert owner.place(key="key-1").json()["id"] == str(own)
    assert Order.objects.count() == 2


def test_a_request_that_waits_while_its_order_is_taken_along_places_no_second_one(guest: Guest):
    order_id = id_in(guest.place(key="key-1"))
    owner = account()
    execute("shop", "DELETE FROM shop_idempotencykey")
    answers: list[Any] = []

    def repeat() -> None:
        try:
            answers.append(guest.place(key="key-1"))
        finally:
            connections.close_all()

    with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('orders of ' || %s::uuid, 0))", [guest.user.pk])
        thread = threading.Thread(target=repeat)
        thread.start()
        until(lambda: answers or waiting_for(cursor) == 1, "the repeated request waits for the lock")
        assert answers == [], "the repeated request did not wait for the lock"
        cursor.execute(
            "UPDATE orders_order SET customer_id = %s, guest_id = customer_id, link_epoch = NULL,"
            " idempotency_key = customer_id || ' ' || idempotency_key WHERE id = %s",
            [owner.user.pk, order_id],
        )
    thread.join()

    assert [answer.json()["id"] for answer in answers] == [str(order_id)]
    assert Order.objects.count() == 1


def test_an_order_under_way_goes_on(guest: Guest, sandbox: Provider, settle: Callable[[], None]):
    order_id = id_in(guest.place(payment_method="pm_card_authenticationRequired"))
    assert status_of(order_id) == "AWAITING_PAYMENT"
    owner = account()
    guests.take_guests_along(user_id=owner.user.pk)
    take_guests_along()

    assert owner.cancel(order_id).status_code in (200, 202)
    settle()

    assert status_of(order_id) == "CANCELED"


def test_what_strangers_ordered_for_a_mailbox_keeps_its_account_from_nothing(mug: str, settings: Any):
    settings.MAX_OPEN_ORDERS_PER_CUSTOMER = 2
    settings.MAX_HELD_UNPAID_PIECES = 2
    settings.MAX_HELD_UNPAID_SHARE = 0
    for _stranger in range(2):
        assert unpaid(Guest()).status_code == 201
    owner = account()
    guests.take_guests_along(user_id=owner.user.pk)
    take_guests_along()
    assert len(listed(owner)) == 2

    answers = [owner.place(), unpaid(owner), unpaid(Guest(), address=ELSEWHERE)]

    assert [code_of(answer) for answer in answers] == ["201", "201", "too_many_open_orders"]


def test_taking_along_is_told_once_and_ends_the_links(guest: Guest):
    order_id, owner = id_in(guest.place()), account()
    token = token_of(order_id=order_id, epoch=1)
    assert open_by(token=token) is not None
    version = Order.objects.get(pk=order_id).version

    for _time in range(2):
        guests.take_guests_along(user_id=owner.user.pk)
        take_guests_along()

    told = Outbox.objects.filter(aggregate_id=order_id, type="order.taken_along")
    assert [fact.payload for fact in told] == [
        {"order_id": str(order_id), "guest_id": str(guest.user.pk), "customer_id": str(owner.user.pk)}
    ]
    assert (open_by(token=token), Order.objects.get(pk=order_id).version) == (None, version)
    assert "an account has taken the guest's order along" in [each.what for each in story_of(order_id).happened]
    assert GuestTaking.objects.count() == 0


def test_of_two_accounts_one_takes_an_order_along(guest: Guest):
    order_id = id_in(guest.place())
    one, other = uuid.uuid4(), uuid.uuid4()

    assert (
        take_along(guest_id=guest.user.pk, customer_id=one),
        take_along(guest_id=guest.user.pk, customer_id=other),
    ) == (
        1,
        0,
    )
    assert owner_of(order_id) == one


def test_an_account_that_is_erased_meanwhile_takes_nothing_along(guest: Guest, drain: Callable[[], None]):
    order_id, owner = id_in(guest.place()), account()
    guests.take_guests_along(user_id=owner.user.pk)
    erasure_id = erasure.ask(person_of(user_id=owner.user.pk), asked_by="a test")
    erasure.carry_out(erasure_id)

    take_guests_along()

    assert (owner_of(order_id), GuestTaking.objects.count()) == (guest.user.pk, 0)
    assert guest.get("orders").status_code == 401


def test_what_was_taken_along_is_exported_and_erased_with_the_account(guest: Guest, drain: Callable[[], None]):
    order_id, owner = id_in(guest.place(key="key-1")), account()
    guest.cancel(order_id)
    guests.take_guests_along(user_id=owner.user.pk)
    take_guests_along()
    drain()
    let_all_be_heard()

    person = person_of(user_id=owner.user.pk)
    assert person.guests == (guest.user.pk,)
    erasure.carry_out(erasure.ask(person, asked_by="a test"))

    order = Order.objects.get(pk=order_id)
    assert (order.fingerprint, order.idempotency_key, order.payment_method) == ("erased", f"erased:{order_id}", "")


def test_a_key_that_is_erased_stays_erased(guest: Guest):
    from orders.services import personal

    order_id = id_in(guest.place())
    guest.cancel(order_id)
    personal.erase([order_id], whole=True)

    take_along(guest_id=guest.user.pk, customer_id=uuid.uuid4())

    assert Order.objects.get(pk=order_id).idempotency_key == f"erased:{order_id}"
