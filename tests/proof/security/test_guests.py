"""Guests: whose mailbox it is decides nothing, their token is for orders alone, and making many of them holds no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from orders.models import Contact, Order
from shop.accounts.guests import admit_guest
from shop.models import IdempotencyKey, User
from shop.personal import erasure
from shop.personal.accounts import is_erased, person_of
from shop.personal.export import export_person
from shop.tasks import prune_guests
from tests.driver.ageing import let_all_be_heard
from tests.driver.factories import PASSWORD, AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.provider import Provider, sandbox
from tests.driver.shop import mug, shop_at_rest
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute
from tests.proof.security.test_accounts import SIGNED_IN, ask

__all__ = ["mug", "sandbox", "shop_at_rest"]

EMAIL = "ada@shop.example"
ELSEWHERE: dict[str, Any] = {"line1": "2 Mill Lane", "city": "Porto", "postal_code": "4000"}


class Guest(Shopper):
    """A storefront whose customer has no account."""

    def __init__(self, email: str = EMAIL) -> None:
        super().__init__()
        answer = made(email)
        assert answer.status_code == 201, answer.content
        self.token = str(answer.json()["token"])
        self.headers = {"Authorization": f"Bearer {self.token}"}
        self.user = User.objects.filter(guest_email=email.lower()).latest("date_joined")


def made(email: Any) -> Any:
    return Client().post("/api/v1/guests", json.dumps({"email": email}), content_type="application/json")


def unpaid(shopper: Shopper, quantity: int = 1, *, sku: str = "MUG", address: Any = None, **body: Any) -> Any:
    """Order without a payment method."""
    wanted = OrderBodyFactory(sku=sku, quantity=quantity, shipping_address=AddressFactory(**address or {}))
    del wanted["payment_method"]
    return shopper.post("orders", wanted | body)


def code_of(answer: Any) -> str:
    return str(answer.json().get("code", answer.status_code))


def test_a_guest_orders_and_sees_its_orders_and_nobody_elses(mug: str, drain: Callable[[], None]):
    guest, other = Guest(), Guest()

    placed = guest.place()
    canceled = guest.cancel(placed.json()["id"])
    drain()

    assert (placed.status_code, placed.json()["email"]) == (201, EMAIL)
    assert [order["id"] for order in guest.get("orders").json()["results"]] == [placed.json()["id"]]
    assert other.get("orders").json()["results"] == []
    assert other.get(f"orders/{placed.json()['id']}").status_code == 404
    assert canceled.status_code == 200
    assert {address for message in mail.outbox for address in message.to} == {EMAIL}


def test_the_answer_is_the_same_whoever_has_the_mailbox(mug: str):
    owner = Shopper(UserFactory(email=EMAIL))
    EmailAddress.objects.create(user=owner.user, email=EMAIL, verified=True, primary=True)
    theirs = id_in(owner.place())
    answers = [made(EMAIL), made(EMAIL), made("nobody@shop.example")]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert [sorted(answer.json()) for answer in answers] == [["email", "expires_at", "token"]] * 3
    assert [answer["Cache-Control"] for answer in answers] == ["no-store"] * 3
    assert Guest().get(f"orders/{theirs}").status_code == 404


def test_an_account_is_made_and_signs_in_though_a_guest_has_its_mailbox(mug: str):
    Guest()

    answer = Client().post(
        "/_allauth/app/v1/auth/signup", {"email": EMAIL, "password": PASSWORD}, content_type="application/json"
    )

    assert answer.status_code in (200, 401), answer.content  # 401: the address is to be verified first
    assert User.objects.get(email=EMAIL).guest_email is None
    assert User.objects.with_email(EMAIL).get().guest_email is None


def test_a_password_reset_finds_no_guest(mug: str):
    guest = Guest()
    for email in (EMAIL, guest.user.email):
        Client().post("/_allauth/app/v1/auth/password/request", {"email": email}, content_type="application/json")

    assert not [message for message in mail.outbox if "/account/password/reset/key/" in message.body]
    assert guest.user.has_usable_password() is False


def test_nobody_signs_in_or_up_with_the_address_that_stands_for_a_guest(mug: str):
    guest = Guest()

    for path in ("signup", "login"):
        answer = Client().post(
            f"/_allauth/app/v1/auth/{path}",
            {"email": guest.user.email, "password": PASSWORD},
            content_type="application/json",
        )
        assert answer.status_code == 400, (path, answer.content)


def test_a_guests_token_is_nobodys_at_the_accounts_addresses(mug: str):
    guest = Guest()
    before = User.objects.filter(pk=guest.user.pk).values().get()

    for route, methods in SIGNED_IN.items():
        for method in methods:
            answer = ask(guest, method, f"_allauth/app/v1/account/{route}")
            # 409: no sign-in is under way.
            assert answer.status_code in (401, 404, 405, 409), (method, route, answer.content)

    assert ask(guest, "GET", "_allauth/app/v1/auth/session").status_code == 401
    assert ask(guest, "POST", "_allauth/app/v1/auth/reauthenticate", {"password": PASSWORD}).status_code == 401
    assert User.objects.filter(pk=guest.user.pk).values().get() == before
    assert guest.get("orders").status_code == 200


def test_a_guests_token_is_nobodys_in_the_admin(mug: str):
    browser = Client()
    browser.cookies["sessionid"] = Guest().token

    answer = browser.get("/admin/")

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_a_guests_session_opens_no_account_and_an_accounts_no_guest(mug: str):
    guest, owner = Guest(), Shopper(UserFactory())
    assert (guest.get("orders").status_code, owner.get("orders").status_code) == (200, 200)

    User.objects.filter(pk=guest.user.pk).update(guest_email=None)
    User.objects.filter(pk=owner.user.pk).update(guest_email=EMAIL, password="!")

    assert (guest.get("orders").status_code, owner.get("orders").status_code) == (401, 401)


def test_a_guests_token_ends(mug: str, settings: Any):
    settings.GUEST_TOKEN_DAYS = 2
    guest = Guest()

    execute("shop", "UPDATE django_session SET expire_date = expire_date - interval '47 hours'")
    assert guest.get("orders").status_code == 200
    execute("shop", "UPDATE django_session SET expire_date = expire_date - interval '2 hours'")
    assert guest.get("orders").status_code == 401


def test_a_guest_is_neither_staff_nor_has_a_password(mug: str):
    guest = Guest()

    for change in ({"is_staff": True}, {"is_superuser": True}, {"password": "md5$salt$hash"}):
        with pytest.raises(IntegrityError):
            User.objects.filter(pk=guest.user.pk).update(**change)


def test_staff_see_a_guest_and_change_nothing_of_it(mug: str):
    boss = User.objects.create_superuser("boss@shop.example", PASSWORD)
    desk = Client()
    desk.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    guest = Guest().user

    listed = desk.get(reverse("admin:shop_user_changelist"), {"q": EMAIL}).content.decode()
    page = reverse("admin:shop_user_change", args=[guest.pk])
    tried = [
        desk.post(page, {"email": "boss2@shop.example", "is_staff": "on"}),
        desk.post(
            f"/admin/shop/user/{guest.pk}/password/",
            {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true", "set-password": "1"},
        ),
    ]

    assert (guest.email in listed, desk.get(page).status_code) == (True, 200)
    assert [answer.status_code for answer in tried] == [403, 403]
    assert User.objects.filter(pk=guest.pk).values().get()["email"] == guest.email


@pytest.mark.parametrize("email", ["", "nobody", "a@b", ["ada@shop.example"], None, "4242424242424242@shop.example"])
def test_a_guest_has_an_address_that_mail_reaches(email: Any, mug: str):
    assert made(email).status_code in (400, 422)
    assert not User.objects.filter(guest_email__isnull=False).exists()


def test_a_guests_mails_go_to_the_guest(mug: str):
    guest = Guest()

    refused = guest.place(email="victim@shop.example")
    taken = guest.place(email=EMAIL.upper())

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/email")
    assert taken.status_code == 201
    assert Contact.objects.get().email.lower() == EMAIL


def test_a_key_of_a_guest_is_its_own(mug: str):
    one, other = Guest(), Guest()

    answers = [one.place(key="key-1"), one.place(key="key-1"), other.place(key="key-1")]

    assert [answer.json()["id"] for answer in answers[:2]] == [answers[0].json()["id"]] * 2
    assert answers[2].json()["id"] != answers[0].json()["id"]


def test_making_guests_is_limited_by_address(mug: str, settings: Any):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"guests": "3/min"}}

    answers = [made(f"guest-{number}@shop.example") for number in range(4)]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[0]["RateLimit-Limit"] == "3"


# --- many guests hold no more than one customer -----------------------------------------------------------------------


@pytest.fixture
def limits(settings: Any) -> None:
    settings.MAX_HELD_UNPAID_PIECES = 10
    settings.MAX_HELD_UNPAID_SHARE = 0.0
    settings.MAX_HELD_UNPAID_PLACE_FACTOR = 2
    settings.MAX_OPEN_ORDERS_PER_CUSTOMER = 3


@pytest.mark.usefixtures("limits")
def test_guests_of_one_mailbox_hold_what_one_customer_may(mug: str):
    ProductFactory(sku="VASE", stock=100)

    answers = [unpaid(Guest(), 6, sku="VASE"), unpaid(Guest("ADA+two@shop.example"), 6, sku="VASE", address=ELSEWHERE)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["facts"]["rule"] == "email"
    assert answers[1].json()["facts"]["open_orders"] == []


@pytest.mark.usefixtures("limits")
def test_guests_at_one_place_hold_what_may_be_held_there(mug: str):
    ProductFactory(sku="VASE", stock=100)

    answers = [unpaid(Guest(f"guest-{number}@shop.example"), 10, sku="VASE") for number in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[2].json()["facts"]["rule"] == "address"


@pytest.mark.usefixtures("limits")
def test_guests_of_one_mailbox_have_as_many_open_orders_as_one_customer(mug: str):
    for number in range(4):
        ProductFactory(sku=f"VASE-{number}", stock=100)
    late = Guest("ada+late@shop.example")

    answers = [unpaid(Guest(), sku=f"VASE-{number}") for number in range(3)]
    over = unpaid(late, sku="VASE-3")
    by_card = late.place(sku="VASE-3")
    account = unpaid(Shopper(UserFactory(email=EMAIL)), sku="VASE-3")

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert (over.status_code, code_of(over), over.json()["facts"]["open_orders"]) == (429, "too_many_open_orders", [])
    assert by_card.status_code == 201
    # An account's own orders alone count against it; what guests hold of the product counts by the mailbox.
    assert account.status_code == 201


@pytest.mark.usefixtures("limits")
def test_a_guest_at_the_limit_has_its_own_orders_named_and_repeats_its_last_one(mug: str):
    guest = Guest()
    body = OrderBodyFactory()
    del body["payment_method"]
    placed = [guest.post("orders", body, key=f"key-{number}") for number in range(3)]

    again, over = guest.post("orders", body, key="key-2"), guest.post("orders", body, key="key-3")

    assert again.json()["id"] == placed[2].json()["id"]
    named = [each["order_id"] for each in over.json()["facts"]["open_orders"]]
    assert (over.status_code, named) == (429, [answer.json()["id"] for answer in placed])


# --- what is kept of a guest ------------------------------------------------------------------------------------------


def over(guest: Guest) -> None:
    execute("shop", "UPDATE shop_user SET guest_until = now() - interval '1 day' WHERE id = %s", guest.user.pk)


def test_a_guest_without_an_order_goes_and_one_with_an_order_stays(mug: str):
    idle, young, buyer, account = Guest(), Guest(), Guest(), Shopper(UserFactory())
    buyer.place()
    over(idle)
    over(buyer)
    IdempotencyKey.objects.create(
        user_id=idle.user.pk, key="k", method="POST", path="/", fingerprint="", response_status=200,
        response_headers={}, response_body="",
    )  # fmt: skip

    assert prune_guests() == 2

    assert set(User.objects.values_list("pk", flat=True)) == {young.user.pk, buyer.user.pk, account.user.pk}
    assert not IdempotencyKey.objects.filter(user_id=idle.user.pk).exists()
    assert prune_guests() == 0


def test_a_guest_whose_contact_is_erased_goes(mug: str, drain: Callable[[], None]):
    guest = Guest()
    order_id = id_in(guest.place())
    guest.cancel(order_id)
    drain()
    over(guest)
    from orders.services import personal

    personal.erase([order_id], whole=True)

    assert prune_guests() == 1
    assert not User.objects.filter(pk=guest.user.pk).exists()
    assert Order.objects.get(pk=order_id).link_epoch is None


def test_an_export_by_address_holds_the_guests_and_their_orders(mug: str):
    guest, stranger = Guest(), Guest("bob@shop.example")
    order_id = id_in(guest.place())
    stranger.place()

    told = export_person(person_of(email=EMAIL))

    assert [each["id"] for each in told["accounts"]["account"]] == [str(guest.user.pk)]
    assert [each["id"] for each in told["orders"]["orders"]] == [str(order_id)]
    assert len(told["accounts"]["sessions"]) == 1


def test_an_account_reaches_the_guests_of_an_address_only_once_it_has_confirmed_it(mug: str):
    guest, owner = Guest(), UserFactory(email=EMAIL)
    address = EmailAddress.objects.create(user=owner, email=EMAIL, verified=False, primary=True)
    assert person_of(user_id=owner.pk).guests == ()

    EmailAddress.objects.filter(pk=address.pk).update(verified=True)

    assert person_of(user_id=owner.pk).guests == (guest.user.pk,)


def test_an_erasure_by_address_closes_the_guests_and_erases_their_orders_whole(
    mug: str, sandbox: Provider, drain: Callable[[], None]
):
    guest, stranger = Guest(), Guest("bob@shop.example")
    order_id = id_in(guest.place(key="key-1"))
    guest.cancel(order_id)
    drain()
    let_all_be_heard()

    erasure_id = erasure.ask(person_of(email=EMAIL), asked_by="a test")
    assert erasure.ask(person_of(email=EMAIL), asked_by="a test") == erasure_id
    erasure.carry_out(erasure_id)

    closed = User.objects.get(pk=guest.user.pk)
    order = Order.objects.get(pk=order_id)
    assert (is_erased(closed), closed.guest_email, closed.is_active) == (True, "", False)
    assert (order.payment_method, order.fingerprint, order.link_epoch) == ("", "erased", None)
    assert guest.get("orders").status_code == 401
    assert not IdempotencyKey.objects.filter(user_id=guest.user.pk).exists()
    assert stranger.get("orders").status_code == 200


def test_a_guest_is_made_by_the_service_as_by_the_api(mug: str):
    guest = admit_guest(email="Ada@Shop.example")

    assert (guest.user.guest_email, guest.user.is_guest, guest.user.mail_address) == (EMAIL, True, EMAIL)
    assert str(guest.user).endswith("@guest.invalid")
