"""The demo's customers: what a storefront does over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import requests

from local.demo import data as demo_data
from local.stack import Stack
from local.waiting import PATIENCE_SECONDS

ADDRESS = {
    "name": "Ada Example",
    "line1": "1 Harbor Street",
    "city": "Lisbon",
    "postal_code": "1100-001",
    "country": "PT",
}


class JourneyFailed(RuntimeError):
    """The demo cannot go on."""


class Customer:
    """Whoever orders, with the token of a storefront, speaking HTTP only; and the sandbox's control panel beside it."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.stack = stack
        self._headers = {"Authorization": f"Bearer {token}"}

    def place(self, sku: str, *, quantity: int = 1, payment_method: str, key: str = "") -> requests.Response:
        """POST an order of one product."""
        body = {"lines": [{"sku": sku, "quantity": quantity}], "payment_method": payment_method}
        return self.order_by(body, key=key)

    def order_by(self, body: dict[str, Any], *, key: str = "", country: str = ADDRESS["country"]) -> requests.Response:
        """POST an order as the body says, to an address in that country."""
        return requests.post(
            f"{self.stack.url}/api/v1/orders",
            headers=self._headers | {"Idempotency-Key": key or str(uuid.uuid4())},
            json={"shipping_address": ADDRESS | {"country": country}} | body,
            timeout=PATIENCE_SECONDS,
        )

    def quote(self, sku: str, *, country: str = ADDRESS["country"], **more: Any) -> requests.Response:
        """POST a quote of one product."""
        return requests.post(
            f"{self.stack.url}/api/v1/quotes",
            headers=self._headers,
            json={"lines": [{"sku": sku, "quantity": 1}], "destination": {"country": country}} | more,
            timeout=PATIENCE_SECONDS,
        )

    def pay(self, order_id: str, *, payment_method: str) -> requests.Response:
        """POST a payment method for an order."""
        return requests.post(
            f"{self.stack.url}/api/v1/orders/{order_id}/payment",
            headers=self._headers | {"Idempotency-Key": str(uuid.uuid4())},
            json={"payment_method": payment_method},
            timeout=PATIENCE_SECONDS,
        )

    def orders(self) -> list[dict[str, Any]]:
        """GET the newest orders."""
        found: list[dict[str, Any]] = requests.get(
            f"{self.stack.url}/api/v1/orders", headers=self._headers, timeout=PATIENCE_SECONDS
        ).json()["results"]
        return found

    def order(self, order_id: str) -> dict[str, Any]:
        """GET one order."""
        found: dict[str, Any] = requests.get(
            f"{self.stack.url}/api/v1/orders/{order_id}", headers=self._headers, timeout=PATIENCE_SECONDS
        ).json()
        return found

    def sandbox(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Work the sandbox's control panel."""
        url = f"{self.stack.sandbox_url}/sandbox/{path}"
        answer = (
            requests.get(url, timeout=PATIENCE_SECONDS)
            if body is None
            else requests.post(url, json=body, timeout=PATIENCE_SECONDS)
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Shopper(Customer):
    """A customer with an account, signed in."""

    def __init__(self, stack: Stack) -> None:
        login = requests.post(
            f"{stack.url}/_allauth/app/v1/auth/login",
            json={"email": demo_data.SHOPPER.email, "password": demo_data.SHOPPER.password},
            timeout=PATIENCE_SECONDS,
        )
        if login.status_code != requests.codes.ok:
            raise JourneyFailed(f"the demo shopper cannot sign in: {login.status_code} {login.text[:300]}")
        super().__init__(stack, login.json()["meta"]["session_token"])


class Guest(Customer):
    """A customer without an account."""

    def __init__(self, stack: Stack) -> None:
        made = requests.post(
            f"{stack.url}/api/v1/guests", json={"email": "guest@shop.example"}, timeout=PATIENCE_SECONDS
        )
        if made.status_code != requests.codes.created:
            raise JourneyFailed(f"nobody can order as a guest: {made.status_code} {made.text[:300]}")
        super().__init__(stack, made.json()["token"])
