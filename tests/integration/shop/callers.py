"""Callers who speak JSON to the API of these tests."""

import json

from django.test import Client

from shop.models import User

PASSWORD = "correct horse battery"


class Api:
    """Calls as one customer does."""

    def __init__(self, token=None):
        self.client = Client(raise_request_exception=False)
        self.token = token

    def call(self, method, path, body=None, **headers):
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        more = (
            {} if body is None else {"data": content, "content_type": headers.pop("Content-Type", "application/json")}
        )
        return getattr(self.client, method)(path, headers=headers, **more)

    def place(self, key="key-1", body=None):
        return self.call("post", "/api/test/orders", body or {"sku": "A"}, **{"Idempotency-Key": key})


def signed_in(email):
    User.objects.create_user(email, PASSWORD)
    answer = Api().call("post", "/_allauth/app/v1/auth/login", {"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    return Api(answer.json()["meta"]["session_token"])
