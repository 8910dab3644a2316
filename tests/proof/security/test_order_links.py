"""Links in the mails of guests' orders: they open one order, for a time, and only ever reach the order's own mailbox."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail, signing
from django.db import connections
from django.test import Client
from django.urls import reverse

from notifications import gateways
from notifications.models import LinkRequest
from notifications.services.limits import recipient_key
from notifications.services.order_links import send_order_links
from orders.models import Order
from orders.queries import get_order
from orders.rest.mail_links import LinkHolder
from orders.services import link_to, order_links
from tests.driver.factories import UserFactory
from tests.driver.logs import captured
from tests.driver.mails import html_of
from tests.driver.provider import sandbox
from tests.driver.shop import mug, shop_at_rest
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, state
from tests.proof.security.test_guests import EMAIL, Guest, unpaid

__all__ = ["mug", "sandbox", "shop_at_rest"]

LINK = re.compile(r"http://localhost:8000/orders/([0-9a-f-]{36})(?:#access=([\w:-]+))?\s")
CARD = "pm_card_visa"


class Holder(Shopper):
    """Whoever has a link: a storefront that sends its token and nothing else."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.headers = {"X-Order-Token": token}


def links() -> list[tuple[str, str]]:
    """Return order and token of the link in each mail."""
    return [(match[1], match[2]) for message in mail.outbox for match in [LINK.search(str(message.body))] if match]


def token_for(order_id: uuid.UUID) -> str:
    order = Order.objects.get(pk=order_id)
    return order_links.token_of(order_id=order_id, epoch=order.link_epoch)


@pytest.fixture
def guest(mug: str) -> Guest:
    return Guest()


@pytest.fixture
def confirmed(guest: Guest, drain: Callable[[], None]) -> uuid.UUID:
    order_id = id_in(guest.place())
    drain()
    return order_id


def look_up(number: str, email: str, **more: Any) -> Any:
    body = json.dumps({"number": number, "email": email} | more)
    return Client().post("/api/v1/order-lookups", body, content_type="application/json")


def test_the_mail_of_a_guests_order_holds_a_link_that_opens_it(confirmed: uuid.UUID):
    order_id, token = links()[0]

    seen = Holder(token).get(f"orders/{order_id}")

    assert order_id == str(confirmed)
    assert (seen.status_code, seen.json()["id"], seen.json()["email"]) == (200, order_id, EMAIL)
    assert "X-Order-Token" in seen["Vary"]
    assert f"{order_id}#access={token.split(':')[0]}" in html_of(mail.outbox[0])


def test_the_mail_of_an_accounts_order_holds_a_link_without_a_token(mug: str, drain: Callable[[], None]):
    order_id = id_in(Shopper(UserFactory()).place(email="friend@shop.example"))
    drain()

    assert set(links()) == {(str(order_id), None)}
    assert order_links.open_by(token=order_links.token_of(order_id=order_id, epoch=1)) is None


def test_a_link_reads_pays_and_cancels_its_order(guest: Guest):
    order_id = id_in(unpaid(guest))
    holder = Holder(token_for(order_id))

    paid = holder.pay(order_id, CARD)
    etag = holder.get(f"orders/{order_id}")["ETag"]
    canceled = holder.cancel(order_id, **{"If-Match": etag})

    assert (paid.status_code, paid.json()["status"]) == (201, "CONFIRMED")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "REFUNDED")
    assert Order.objects.get(pk=order_id).cancel_reason == "customer_request"


def test_a_link_opens_nothing_else_of_the_same_customer(guest: Guest):
    mine, other = id_in(guest.place()), id_in(unpaid(guest))
    holder = Holder(token_for(mine))
    before = state()

    answers = {
        "another order": holder.get(f"orders/{other}").status_code,
        "to pay another": holder.pay(other, CARD).status_code,
        "to cancel another": holder.cancel(other).status_code,
        "the list": holder.get("orders").status_code,
        "a new order": holder.place().status_code,
        "its refunds": holder.get(f"orders/{mine}/refunds").status_code,
        "a refund": holder.post(f"orders/{mine}/refunds", {}).status_code,
        "an account": Client().get("/_allauth/app/v1/account/email", headers=holder.headers).status_code,
    }

    assert answers == {
        "another order": 404,
        "to pay another": 404,
        "to cancel another": 404,
        "the list": 401,
        "a new order": 401,
        "its refunds": 401,
        "a refund": 401,
        "an account": 401,
    }
    assert state() == before


def test_a_link_repeats_no_answer_about_another_order(guest: Guest):
    mine, other = id_in(guest.place()), id_in(unpaid(guest))
    holder = Holder(token_for(mine))
    assert guest.cancel(other, key="known").status_code == 200

    repeated = holder.cancel(other, key="known")

    assert (repeated.status_code, repeated.json()["code"]) == (404, "order_not_found")
    assert Holder(token_for(other)).cancel(other, key="known")["Idempotent-Replayed"] == "true"


def test_a_link_is_no_sign_in_and_a_sign_in_no_link(guest: Guest):
    order_id = id_in(guest.place())

    for token in (guest.token, "", "x" * 500, "\xfc", signing.dumps([order_id.hex, 1], salt="another")):
        assert Holder(token).get(f"orders/{order_id}").status_code == 401, token
    bearer = Shopper()
    bearer.headers = {"Authorization": f"Bearer {token_for(order_id)}"}
    assert bearer.get(f"orders/{order_id}").status_code == 401


def test_where_both_tokens_are_sent_the_link_decides(guest: Guest):
    order_id, stranger = id_in(guest.place()), Shopper(UserFactory())
    stranger.headers |= {"X-Order-Token": token_for(order_id)}

    assert stranger.get(f"orders/{order_id}").status_code == 200
    stranger.headers |= {"X-Order-Token": "nothing"}
    assert stranger.get(f"orders/{order_id}").status_code == 401


def test_a_link_ends_with_its_time(guest: Guest, settings: Any):
    order_id = id_in(guest.place())
    token = token_for(order_id)

    assert Holder(token).get(f"orders/{order_id}").status_code == 200
    settings.ORDER_LINK_DAYS = -1

    assert Holder(token).get(f"orders/{order_id}").status_code == 401


def test_staff_revoke_the_links_of_an_order_and_later_mails_hold_new_ones(guest: Guest):
    order_id = id_in(guest.place())
    old = token_for(order_id)
    desk = Client()
    desk.force_login(
        UserFactory(is_staff=True, permissions=("orders.view_order", "orders.revoke_links")),
        backend="django.contrib.auth.backends.ModelBackend",
    )

    desk.post(reverse("admin:orders_order_revoke_links_one", args=[order_id]), {"_form_submitted": "True"})

    assert Holder(old).get(f"orders/{order_id}").status_code == 401
    assert Holder(token_for(order_id)).get(f"orders/{order_id}").status_code == 200
    assert link_to(order=get_order(order_id=order_id)).split("#access=")[0].endswith(str(order_id))


def test_an_accounts_order_has_no_links_to_revoke(mug: str):
    order_id = id_in(Shopper(UserFactory()).place())

    with pytest.raises(order_links.OrderHasNoLinks):
        order_links.revoke_links(order_id=order_id)


def test_no_token_is_stored_or_logged(confirmed: uuid.UUID):
    order_id, token = links()[0]

    with captured(level=logging.DEBUG) as lines:
        Holder(token).get(f"orders/{order_id}")
        Holder(token[:-1] + "x").get(f"orders/{order_id}")

    assert token[:40] not in lines.getvalue()
    assert [table for table, rows in state().items() if token[:40] in rows] == []


def test_what_a_link_does_is_the_customers_doing(guest: Guest):
    order_id = id_in(unpaid(guest))
    Holder(token_for(order_id)).cancel(order_id)

    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT actor FROM orders_outbox WHERE aggregate_id = %s AND type = 'order.canceling'", [order_id]
        )
        assert cursor.fetchall() == [(f"customer {guest.user.pk}",)]


# --- a mail that was lost ---------------------------------------------------------------------------------------------


def test_number_and_address_bring_the_link_to_the_order_s_own_address(confirmed: uuid.UUID):
    mail.outbox.clear()
    number = Order.objects.get(pk=confirmed).number

    answer = look_up(f"{number[:5]}-{number[5:]}".lower(), EMAIL.upper())
    send_order_links()

    [(order_id, token)] = links()
    assert (answer.status_code, order_id, [message.to for message in mail.outbox]) == (202, str(confirmed), [[EMAIL]])
    assert Holder(token).get(f"orders/{order_id}").status_code == 200


def test_a_miss_is_answered_and_costs_as_a_hit_and_mails_nobody(confirmed: uuid.UUID):
    mail.outbox.clear()
    number = Order.objects.get(pk=confirmed).number
    asked: list[list[str]] = []
    answers = []
    for named in ((number, "eve@shop.example"), ("0000000000", EMAIL), (number, EMAIL)):
        seen: list[str] = []

        def watch(execute: Any, sql: str, *rest: Any, seen: list[str] = seen) -> Any:
            seen.append(sql)
            return execute(sql, *rest)

        with connections["default"].execute_wrapper(watch):
            answers.append(look_up(*named))
        asked.append(seen)

    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert asked[0] == asked[1] == asked[2]
    assert LinkRequest.objects.count() == 3
    send_order_links()
    assert [message.to for message in mail.outbox] == [[EMAIL]]
    assert LinkRequest.objects.get().recipient_key == recipient_key(EMAIL)


def test_the_link_of_one_order_is_mailed_once_in_a_while(confirmed: uuid.UUID):
    mail.outbox.clear()
    number = Order.objects.get(pk=confirmed).number

    for _time in range(3):
        look_up(number, EMAIL)
        send_order_links()
    assert len(mail.outbox) == 1

    execute("notifications", "UPDATE notifications_linkrequest SET due_at = now()")
    send_order_links()
    assert (len(mail.outbox), LinkRequest.objects.count()) == (1, 0)

    look_up(number, EMAIL)
    send_order_links()
    assert len(mail.outbox) == 2


def test_a_link_that_comes_too_late_is_not_sent(confirmed: uuid.UUID):
    mail.outbox.clear()
    look_up(Order.objects.get(pk=confirmed).number, EMAIL)

    execute("notifications", "UPDATE notifications_linkrequest SET asked_at = now() - interval '2 hours'")
    send_order_links()

    assert (mail.outbox, LinkRequest.objects.count()) == ([], 0)


def test_the_link_of_an_erased_contact_is_mailed_to_nobody(confirmed: uuid.UUID, guest: Guest):
    from orders.services import personal

    guest.cancel(confirmed)
    mail.outbox.clear()
    personal.erase([confirmed], whole=True)

    for email in (EMAIL, "erased@erased.invalid"):
        look_up(Order.objects.get(pk=confirmed).number, email)
    send_order_links()

    assert (mail.outbox, LinkRequest.objects.count()) == ([], 0)


def test_a_mail_server_that_is_away_costs_the_link_a_while(confirmed: uuid.UUID, monkeypatch: pytest.MonkeyPatch):
    mail.outbox.clear()
    look_up(Order.objects.get(pk=confirmed).number, EMAIL)

    def refuse(_message: object) -> None:
        raise gateways.MailServerUnavailable

    with monkeypatch.context() as away:
        away.setattr(gateways, "send", refuse)
        send_order_links()
    assert LinkRequest.objects.get().attempts == 1
    execute("notifications", "UPDATE notifications_linkrequest SET due_at = now()")
    send_order_links()

    assert len(mail.outbox) == 1


def test_a_link_that_its_mailbox_refuses_is_forgotten_and_may_be_asked_for_again(
    confirmed: uuid.UUID, monkeypatch: pytest.MonkeyPatch
):
    mail.outbox.clear()
    number = Order.objects.get(pk=confirmed).number
    look_up(number, EMAIL)

    def refuse(_message: object) -> None:
        raise gateways.EmailUndeliverable

    with monkeypatch.context() as refusing:
        refusing.setattr(gateways, "send", refuse)
        send_order_links()
    assert not LinkRequest.objects.exists()

    look_up(number, EMAIL)
    send_order_links()
    assert len(mail.outbox) == 1


def test_asking_is_limited_by_address(mug: str, settings: Any):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"lookups": "2/min"}}

    assert [look_up("0000000000", EMAIL).status_code for _time in range(3)] == [202, 202, 429]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"number": "", "email": EMAIL}, 400),
        ({"number": "7K3M9Q2XAB"}, 400),
        ({"number": "7K3M9Q2XAB", "email": "x"}, 400),
    ],
)
def test_a_lookup_names_a_number_and_an_address(body: Any, status: int, mug: str):
    answer = Client().post("/api/v1/order-lookups", json.dumps(body), content_type="application/json")

    assert answer.status_code == status


def test_a_lookup_of_an_accounts_order_mails_a_link_to_sign_in_by(mug: str, drain: Callable[[], None]):
    owner = Shopper(UserFactory(email=EMAIL))
    order_id = id_in(owner.place())
    mail.outbox.clear()

    look_up(Order.objects.get(pk=order_id).number, EMAIL)
    send_order_links()

    assert links() == [(str(order_id), None)]


def test_whoever_has_a_link_may_do_nothing_that_staff_may():
    holder = LinkHolder(pk=uuid.uuid4(), order_id=uuid.uuid4())

    assert (holder.is_staff, holder.is_superuser, holder.has_perm("orders.refund_order")) == (False, False, False)
