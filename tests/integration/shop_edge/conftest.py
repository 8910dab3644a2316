"""A customer with a session token, a member of staff, and a client that speaks JSON."""

import json

import pytest
from django.core.cache import cache
from django.test import Client

from shop.models import User
from tests.integration.shop_edge.urls import Work

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def edge(settings):
    settings.ROOT_URLCONF = "tests.integration.shop_edge.urls"
    cache.clear()
    Work.calls, Work.outcome, Work.before_answer = [], None, staticmethod(lambda: None)


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


@pytest.fixture
def api(database):
    return signed_in("jane@shop.example")


@pytest.fixture
def anonymous(database):
    return Api()


@pytest.fixture
def staff(database):
    user = User.objects.create_superuser("ops@shop.example", PASSWORD)
    client = Client()
    client.force_login(user)
    client.user = user
    return client
