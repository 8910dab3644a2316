"""A customer's storefront, and what its answers name."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import Client

from shop.models import User
from tests.driver.factories import OrderBodyFactory
from tests.driver.tokens import token_of


class Shopper:
    """A customer's storefront: signed in, speaking HTTP."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user
        self.client = Client()
        self.headers: dict[str, str] = {}
        if user is not None:
            self.headers = {"Authorization": f"Bearer {token_of(user)}"}

    def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        content = body if isinstance(body, (str, bytes)) else json.dumps({} if body is None else body)
        headers = self.headers | {"Idempotency-Key": key or str(uuid.uuid4())} | headers
        return self.client.post(
            f"/api/v1/{path}", content, content_type="application/json", headers={k: v for k, v in headers.items() if v}
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers | headers)

    def place(self, *, key: str = "", headers: dict[str, str] | None = None, **body: Any) -> Any:
        return self.post("orders", OrderBodyFactory(**body), key=key, **(headers or {}))

    def pay(self, order_id: uuid.UUID | str, payment_method: str = "", *, key: str = "") -> Any:
        body = {"payment_method": payment_method} if payment_method else {}
        return self.post(f"orders/{order_id}/payment", body, key=key)

    def cancel(self, order_id: uuid.UUID | str, *, key: str = "", **headers: str) -> Any:
        return self.post(f"orders/{order_id}/cancel", {}, key=key, **headers)

    def extend(self, order_id: uuid.UUID | str, *, key: str = "", **headers: str) -> Any:
        return self.post(f"orders/{order_id}/extend-hold", {}, key=key, **headers)

    def order(self, order_id: uuid.UUID | str) -> dict[str, Any]:
        answer = self.get(f"orders/{order_id}")
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


def id_in(answer: Any) -> uuid.UUID:
    """Return the order that an answer names, whatever became of it."""
    body = answer.json()
    return uuid.UUID(body["id"] if "id" in body else body["facts"]["order_id"])
