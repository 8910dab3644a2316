"""Sign-in and its kin by the rules of the API: what is read, how a refusal looks, what is told to whom."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import OperationalError, connections
from django.http import HttpRequest
from django.test import Client

from shop.accounts import attempts
from shop.models import User
from tests.driver.factories import PASSWORD, UserFactory
from tests.driver.provider import Provider
from tests.driver.routes import routes
from tests.proof.security.people import People
from tests.proof.security.test_webhooks import signature

SIGN_IN = "/_allauth/app/v1/auth/login"
SIGN_UP = "/_allauth/app/v1/auth/signup"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "trace_id"}


def post(where: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    client = Client(raise_request_exception=False)
    return client.post(where, content, content_type="application/json", headers=headers)


@pytest.mark.parametrize(
    "body",
    ['{"email": "\\ud800@shop.example", "password": "x"}', '{"email": "a@b.example", "email": "c@d.example"}', "[" * 30_000,
     b'{"email": "\xff"}', '{"email": NaN}'],
    ids=["half a surrogate pair", "a name twice", "deep", "no UTF-8", "NaN"],
)  # fmt: skip
@pytest.mark.parametrize("where", [SIGN_IN, SIGN_UP, "/_allauth/app/v1/auth/password/request"])
def test_a_body_that_the_api_would_not_read_is_refused(where: str, body: str | bytes, database: None):
    answer = post(where, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


def test_a_refusal_of_any_route_is_a_problem(people: People):
    for route, _view in routes():
        if route.startswith("_allauth/app/"):
            for method in ("get", "post", "put", "patch", "delete"):
                answer = Client().generic(method.upper(), f"/{route}", "{}", content_type="application/json")
                if answer.status_code >= 400:
                    assert answer["Content-Type"] == "application/problem+json", (method, route, answer.content)
                    assert set(answer.json()) >= MEMBERS, (method, route)
                    assert answer.json()["status"] == answer.status_code


def test_what_is_wrong_is_pointed_at_and_keeps_the_words_of_the_library(database: None):
    answer = post(SIGN_IN, {"email": "ada@shop.example", "password": "wrong wrong"})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"], error["code"]) == (
        400,
        "invalid_request",
        "email_password_mismatch",
    )
    assert (error["pointer"], error["detail"]) == ("#/password", error["message"])


def test_too_many_attempts_are_429_with_retry_after(database: None):
    user = UserFactory()

    answers = [post(SIGN_IN, {"email": user.email, "password": "wrong wrong"}) for _attempt in range(12)]

    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "throttled")
    assert int(answers[-1]["Retry-After"]) > 0


MINUTE, DAY = 60, 24 * 60 * 60


@pytest.mark.parametrize(
    ("limits", "window"),
    [
        ({"login_failed": "2/5m/key,50/d/key"}, 5 * MINUTE),
        ({"login_failed": "50/5m/key,2/d/key"}, DAY),
        ({"login_failed": "2/h/ip,2/d/key"}, DAY),
        ({"login_failed": "50/h/ip", "login_failed_anywhere": "2/d/key"}, DAY),
    ],
)
def test_too_many_attempts_may_go_on_once_the_limit_that_is_met_has_room(
    database: None, settings: Any, limits: dict[str, str], window: int
):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | limits
    user = UserFactory()
    began = time.time()

    answers = [post(SIGN_IN, {"email": user.email, "password": "wrong wrong"}) for _attempt in range(3)]

    assert [answer.status_code for answer in answers] == [400, 400, 429]
    # The first attempt is the one that ceases to count.
    assert began + window - time.time() <= int(answers[-1]["Retry-After"]) <= window


def test_too_many_codes_may_go_on_after_the_shortest_time_that_an_account_is_counted_over(settings: Any):
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/m/ip,50/d/key,5/7m/key"}

    assert attempts.wait_seconds(HttpRequest()) == 7 * MINUTE


@contextmanager
def databases_away() -> Iterator[None]:
    """Have every statement fail as it does where the server is gone."""

    def fail(*_arguments: Any, **_more: Any) -> Any:
        raise OperationalError("the database is away")

    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(fail))
        yield


def test_a_database_that_is_away_is_503_everywhere(people: People, sandbox: Provider):
    body = json.dumps(sandbox.events("payment_intent.succeeded")[0])
    staff = people.browsers["staff with permission"]
    staff.raise_request_exception = False
    bugs: list[str] = []

    def note(request: Any, **_more: Any) -> None:
        bugs.append(request.path)

    got_request_exception.connect(note)
    with databases_away():
        answers = {
            "sign-in": post(SIGN_IN, {"email": "ada@shop.example", "password": PASSWORD}),
            "session": Client(raise_request_exception=False).get(
                "/_allauth/app/v1/auth/session", headers={"X-Session-Token": "any"}
            ),
            "admin": staff.get("/admin/orders/order/"),
            "webhook": post("/webhooks/stripe", body, **{"Stripe-Signature": signature(body)}),
            "API": post("/api/v1/orders", {}, Authorization="Bearer any"),
        }

    for name, answer in answers.items():
        assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json"), name
        assert int(answer["Retry-After"]) > 0, name
    # What Django takes for a bug it writes with its traceback.
    assert bugs == []


def test_signing_up_does_not_tell_who_has_an_account(database: None, settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    known = UserFactory()

    answers = [post(SIGN_UP, {"email": email, "password": PASSWORD}) for email in (known.email, "new@shop.example")]

    told = [(answer.status_code, answer.json()["code"], answer.json()["data"]) for answer in answers]
    assert told[0] == told[1]
    assert User.objects.count() == 2
