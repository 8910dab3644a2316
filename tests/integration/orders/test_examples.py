"""The examples of the API's description are what the shop answers: each call is made here, and compared with what is kept.

`make examples` (EXAMPLES=write) keeps what is answered now.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from inventory import api as inventory
from orders.models import DiscountCode, Order, TaxRate
from shipping.models import ShippingOption, ShippingRate
from shop.money import Money
from tests.contract import PROBLEM, operation_of
from tests.driver.provider import Provider
from tests.driver.tokens import token_of
from tests.examples import Cleaned, all_problems, component_of, keep, kept, order_number
from tests.proof.security.test_accounts import code_for
from tests.proof.security.test_sign_in_contract import key_in

SIGN_IN = "/_allauth/app/v1"
ADDRESS = {
    "name": "Ada Example",
    "line1": "1 Harbor Street",
    "city": "Lisbon",
    "postal_code": "1100-001",
    "country": "PT",
}
MUGS = [{"sku": "MUG-BLUE", "quantity": 2}]
PAGE_ENDS = 700


class Played:
    """What was asked and answered so far, by operation."""

    def __init__(self) -> None:
        self.operations: dict[str, dict[str, dict[str, Any]]] = {}
        self.problems: dict[str, dict[str, Any]] = {}
        self.cleaned = Cleaned()

    def call(self, says: str, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Any:
        """Send a request and keep it with its answer under these words; without words only send it."""
        if token:
            headers |= {"X-Session-Token": token} if path.startswith(SIGN_IN) else {"Authorization": f"Bearer {token}"}
        if method == "POST" and path.startswith("/api/v1/orders"):
            headers = {"Idempotency-Key": str(uuid.uuid4())} | headers
        headers = {name: value for name, value in headers.items() if value}
        content = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        answer = Client().generic(method, path, content, "application/json", headers=headers)
        if says:
            self._keep(says, body, answer)
        return answer

    def _keep(self, says: str, body: Any, answer: Any) -> None:
        operation = operation_of(answer.wsgi_request)
        assert operation is not None
        if answer["Content-Type"] == PROBLEM:
            component = component_of(answer.json())
            self.problems[component] = self.cleaned.value(answer.json())
            return
        if answer["Content-Type"] == "application/json":
            told = answer.json()
            self._hide(told)
        else:
            told = f"... {answer.content.decode()[answer.content.decode().index('<main') :][:PAGE_ENDS]} ..."
        of = self.operations.setdefault(operation["operationId"], {})
        of.setdefault(str(answer.status_code), {})[says] = self.cleaned.value(told)
        if body is not None:
            of.setdefault("request", {})[says] = self.cleaned.value(body)

    def _hide(self, told: dict[str, Any]) -> None:
        """Have what is secret or drawn be shown as what anybody may read."""
        if secret := told.get("token"):
            self.cleaned.put(secret, "a-guests-token")
        if secret := told.get("meta", {}).get("session_token"):
            self.cleaned.put(secret, "a-session-token")
        if number := told.get("number"):
            self.cleaned.put(number, order_number(Order.objects.count()))
        if secret := (told.get("payment") or {}).get("client_secret"):
            self.cleaned.put(secret, "pi_3Example_secret_7Example")
        if "valid_until" in told:
            self.cleaned.put(told["id"], "WzEsW1siTVVHLUJMVUUiLDJdXV0:1vTexW:2tFyY")


@pytest.fixture
def shop(database: None, sandbox: Provider) -> None:
    """Two mugs of a group and a bag; VAT in the prices, a way to Portugal, a code: as `make run` has them."""
    for sku, name, price, details in (
        ("BAG", "Canvas bag", 1900, {"category": "Bags", "weight_grams": 300}),
        ("MUG-BLUE", "Blue mug", 1250, {"category": "Mugs", "group": "mug", "options": {"color": "blue"}}),
        ("MUG-RED", "Red mug", 1250, {"category": "Mugs", "group": "mug", "options": {"color": "red"}}),
    ):
        inventory.add_product(sku=sku, name=name, price=Money(price, "EUR"), details=inventory.Details(**details))
        inventory.receive_stock(sku=sku, quantity=12, reference="delivery 1")
    TaxRate.objects.create(country="PT", label="IVA 23 %", percent=Decimal(23))
    way = ShippingOption.objects.create(code="standard", name="Standard delivery", days_min=2, days_max=4)
    ShippingRate.objects.create(option=way, countries=["PT"], currency="EUR", price_minor=990)
    DiscountCode.objects.create(code="WELCOME10", label="Welcome: 10 % off", percent=Decimal(10))


def play_shopping(played: Played) -> tuple[str, dict[str, Any]]:
    """Look around, ask for a price, become a guest; return the token and the body of an order."""
    played.call("The cheapest first, one on a page", "GET", "/api/v1/products?sort=price&limit=1")
    played.call("A mug in two colors", "GET", "/api/v1/products/MUG-BLUE")
    played.call("Two categories", "GET", "/api/v1/categories")
    basket = {"lines": MUGS, "codes": ["WELCOME10"]}
    quote = played.call(
        "Two mugs to Lisbon with a code", "POST", "/api/v1/quotes",
        basket | {"destination": {"country": "PT", "postal_code": "1100-001"}},
    ).json()  # fmt: skip
    token = played.call("A guest", "POST", "/api/v1/guests", {"email": "ada@example.com"}).json()["token"]
    total = {name: quote["total"][name] for name in ("amount_minor", "currency")}
    return token, basket | {"shipping_address": ADDRESS, "expected_total": total}


def play_orders(played: Played, sandbox: Provider, token: str, order: dict[str, Any]) -> None:
    """Place orders, pay, read, cancel and refund them."""

    def place(says: str, method: str, **headers: str) -> str:
        answer = played.call(says, "POST", "/api/v1/orders", order | {"payment_method": method}, token=token, **headers)
        found = answer.json()
        return str(found["id"] if "id" in found else found["facts"]["order_id"])

    def pay(says: str, order_id: str, **body: str) -> None:
        played.call(says, "POST", f"/api/v1/orders/{order_id}/payment", body, token=token)

    paid = place("Paid at once", "pm_card_visa")
    waiting = place("The bank asks its customer", "pm_card_authenticationRequired")
    hold = f"/api/v1/orders/{waiting}/extend-hold"
    played.call("More time", "POST", hold, {}, token=token)
    played.call("Refused", "POST", hold, {}, token=token)
    played.call("Refused", "POST", f"/api/v1/orders/{paid}/extend-hold", {}, token=token)
    recorded = place("Recorded, not waited for", "pm_card_visa", Prefer="respond-async")
    pay("", recorded)
    declined = place("", "pm_card_chargeDeclinedInsufficientFunds")
    pay("Another card after a decline", declined, payment_method="pm_card_mastercard")
    sandbox.answer_challenge(uuid.UUID(waiting), "approve")
    sandbox.fail("lost_answer", "/v1/payment_intents/*/capture")
    pay("The customer has authenticated, the provider does not answer yet", waiting)
    sandbox.heal()
    played.call("Confirmed", "GET", f"/api/v1/orders/{paid}", token=token)
    played.call("One on a page", "GET", "/api/v1/orders?limit=1", token=token)
    played.call("A part of the page", "GET", f"/api/v1/orders/{paid}/receipt", token=token, Accept="text/html")

    staff = staff_token()
    part = {"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "a scratch"}
    played.call("A part goes back", "POST", f"/api/v1/orders/{paid}/refunds", part, token=staff)
    played.call("One refund", "GET", f"/api/v1/orders/{paid}/refunds", token=token)
    number = Order.objects.values_list("number", flat=True).get(pk=paid)
    played.call(
        "By number and address", "POST", "/api/v1/order-lookups", {"number": number, "email": "ada@example.com"}
    )
    played.call("A paid order gets its money back", "POST", f"/api/v1/orders/{recorded}/cancel", {}, token=token)
    sandbox.fail("lost_answer", "/v1/refunds")
    played.call("The provider does not answer yet", "POST", f"/api/v1/orders/{declined}/cancel", {}, token=token)
    sandbox.heal()


def play_refusals(played: Played, token: str, order: dict[str, Any]) -> None:
    """Do what is refused, in the order in which a storefront is written."""
    orders = "/api/v1/orders"

    def refuse(path: str, body: Any, *, by: str = token, **headers: str) -> Any:
        return played.call("Refused", "POST", path, body, token=by, **headers)

    paid = order | {"payment_method": "pm_card_visa"}
    lines = [{"sku": "MUG-BLUE", "quantity": 99}]
    refuse(orders, paid, by="")
    refuse(orders, paid, by="not-a-token")
    refuse(orders, paid, **{"Idempotency-Key": ""})
    refuse(orders, "{")
    refuse(orders, paid | {"lines": [{"sku": "MUG-BLUE", "quantity": 0}], "colour": "blue"})
    refuse(orders, paid | {"note": "4242 4242 4242 4242"})
    refuse(orders, paid | {"codes": ["NOBODYKNOWS"]})
    refuse(orders, paid | {"expected_total": {"amount_minor": 3000, "currency": "EUR"}})
    refuse(orders, paid | {"shipping_option": "balloon"})
    refuse(orders, paid | {"shipping_address": ADDRESS | {"country": "NZ"}})
    bare = {name: value for name, value in paid.items() if name not in ("codes", "expected_total")}
    refuse(orders, bare | {"lines": lines})
    refuse(orders, bare | {"lines": [{"sku": "GONE", "quantity": 1}]})
    refuse(orders, {"quote": "none", "shipping_address": ADDRESS})
    refuse("/api/v1/quotes", {"lines": [{"sku": "GONE", "quantity": 1}], "destination": {"country": "PT"}}, by="")
    declined = refuse(orders, order | {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}).json()
    waiting = f"{orders}/{declined['facts']['order_id']}"
    refuse(f"{waiting}/payment", {"payment_method": "pm_nobody_knows_it"})
    refuse(f"{waiting}/cancel", {}, **{"If-Match": '"an-older-one"'})
    played.call("Refused", "GET", f"{waiting}/receipt", token=token, Accept="text/html")
    played.call("", "POST", f"{waiting}/cancel", {}, token=token)
    refuse(f"{orders}/{uuid.UUID(int=7)}/cancel", {})
    refuse(f"{waiting}/refunds", {"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "a scratch"})
    played.call("Refused", "GET", "/api/v1/products/GONE")
    played.call("Refused", "GET", f"{SIGN_IN}/auth/session")


def staff_token() -> str:
    from tests.driver.factories import UserFactory

    return token_of(UserFactory(is_staff=True, permissions=("orders.view_order", "orders.refund_order")))


def play_sign_in(played: Played) -> None:
    """Sign up, in and out; verify, change and forget what an account has."""
    ada = {"email": "ada@example.com", "password": "correct horse battery"}
    other = "another horse battery"
    played.call("A new account", "POST", f"{SIGN_IN}/auth/signup", ada)
    token = played.call("By password", "POST", f"{SIGN_IN}/auth/login", ada).json()["meta"]["session_token"]
    played.call("Signed in", "GET", f"{SIGN_IN}/auth/session", token=token)
    played.call("Before something that matters", "POST", f"{SIGN_IN}/auth/reauthenticate", {"password": ada["password"]}, token=token)  # fmt: skip
    mail.outbox.clear()
    played.call("Another address", "POST", f"{SIGN_IN}/account/email", {"email": "new@example.com"}, token=token)
    key = key_in(str(mail.outbox[0].body))
    played.cleaned.put(key, "the-key-of-the-mail")
    played.call("By the key of the mail", "POST", f"{SIGN_IN}/auth/email/verify", {"key": key}, token=token)
    played.call("Its address", "GET", f"{SIGN_IN}/account/email", token=token)
    change = {"current_password": ada["password"], "new_password": other}
    played.call("A new password", "POST", f"{SIGN_IN}/account/password/change", change, token=token)
    token = play_second_factor(played, other)
    mail.outbox.clear()
    played.call("A mail is asked for", "POST", f"{SIGN_IN}/auth/password/request", {"email": "new@example.com"})
    key = key_in(str(mail.outbox[0].body))
    played.cleaned.put(key, "the-key-of-the-mail")
    reset = {"key": key, "password": "a third horse battery"}
    played.call("By the key of the mail", "POST", f"{SIGN_IN}/auth/password/reset", reset, token=token)


def play_second_factor(played: Played, password: str) -> str:
    """Set up a second factor, sign in with it; return the token."""
    login = {"email": "new@example.com", "password": password}
    token = played.call("", "POST", f"{SIGN_IN}/auth/login", login).json()["meta"]["session_token"]
    totp_address = f"{SIGN_IN}/account/authenticators/totp"
    secret = played.call("", "GET", totp_address, token=token).json()["meta"]["secret"]
    played.call("", "POST", f"{SIGN_IN}/auth/reauthenticate", {"password": password}, token=token)
    played.call("", "POST", totp_address, {"code": code_for(secret)}, token=token)
    codes = played.call("", "GET", f"{SIGN_IN}/account/authenticators/recovery-codes", token=token).json()
    pending = played.call("", "POST", f"{SIGN_IN}/auth/login", login)
    code = codes["data"]["unused_codes"][0]
    played.cleaned.put(code, "123456")
    done = played.call(
        "A code of the second factor", "POST", f"{SIGN_IN}/auth/2fa/authenticate", {"code": code},
        token=pending.json()["meta"]["session_token"],
    )  # fmt: skip
    return str(done.json()["meta"].get("session_token", pending.json()["meta"]["session_token"]))


def test_the_examples_of_the_description_are_what_the_shop_answers(
    shop: None, sandbox: Provider, settle: Callable[[], None]
):
    played = Played()

    token, order = play_shopping(played)
    play_orders(played, sandbox, token, order)
    play_refusals(played, token, order)
    play_sign_in(played)
    settle()

    if os.environ.get("EXAMPLES") == "write":
        keep("operations", played.operations)
        keep("problems", all_problems(played.problems))
    problems = {component: kept()["problems"].get(component) for component in played.problems}
    assert problems == played.problems, "run `make examples`, look at the difference, and commit it"
    assert played.operations == kept()["operations"], "run `make examples`, look at the difference, and commit it"
