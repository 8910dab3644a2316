"""Accounts as whoever has signed in meets them: every route with a valid token, and what staff and shoppers do there."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client
from django.urls import reverse

from tests.driver.factories import PASSWORD, UserFactory
from tests.driver.routes import routes
from tests.driver.shopper import Shopper
from tests.proof.security.people import People

ACCOUNT = "_allauth/app/v1/account/"
NEW_PASSWORD = "a-longer-passphrase-7"
# What a signed-in caller is told, by method; a route of accounts that is missing here fails.
SIGNED_IN: dict[str, dict[str, int]] = {
    "password/change": {"GET": 405, "POST": 400},
    "email": {"GET": 200, "POST": 400, "PUT": 400, "PATCH": 400, "DELETE": 400},
    "phone": {"GET": 404, "POST": 404},
    "authenticators": {"GET": 200},
    "authenticators/totp": {"GET": 404, "POST": 400},
    "authenticators/recovery-codes": {"GET": 404},
}


def ask(shopper: Shopper, method: str, path: str, body: Any = None) -> Any:
    """Call the sign-in API with the caller's token, as its own documentation has it."""
    token = shopper.headers["Authorization"].removeprefix("Bearer ")
    send = getattr(Client(), method.lower())
    content = {} if method == "GET" else {"data": body or {}, "content_type": "application/json"}
    return send(f"/{path}", headers={"X-Session-Token": token}, **content)


def code_for(secret: str) -> str:
    """Return the code that an authenticator app shows now."""
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def test_every_route_of_accounts_has_a_rule_for_who_has_signed_in():
    known = {route.removeprefix(ACCOUNT) for route, _view in routes() if route.startswith(ACCOUNT)}

    assert known == set(SIGNED_IN)


@pytest.mark.parametrize("role", ["owner", "another customer", "staff without permission", "staff with permission"])
def test_a_valid_token_is_known_on_every_route_of_accounts(role: str, people: People):
    found = {
        (method, route): ask(people.apis[role], method, ACCOUNT + route).status_code
        for route, methods in SIGNED_IN.items()
        for method in methods
    }

    assert found == {
        (method, route): status for route, methods in SIGNED_IN.items() for method, status in methods.items()
    }


def test_the_session_says_who_has_signed_in(people: People):
    owner = people.apis["owner"]

    answer = ask(owner, "GET", "_allauth/app/v1/auth/session")

    assert (answer.status_code, answer.json()["data"]["user"]["email"]) == (200, owner.user.email)


def test_a_password_is_changed_by_who_has_signed_in_and_knows_it(people: People):
    owner = people.apis["owner"]
    changes = {"current_password": "a wrong password", "new_password": NEW_PASSWORD}

    assert ask(owner, "POST", f"{ACCOUNT}password/change", changes).status_code == 400
    answer = ask(owner, "POST", f"{ACCOUNT}password/change", changes | {"current_password": PASSWORD})

    assert answer.status_code == 200, answer.content
    old, new = (
        Client().post(
            "/_allauth/app/v1/auth/login",
            {"email": owner.user.email, "password": password},
            content_type="application/json",
        )
        for password in (PASSWORD, NEW_PASSWORD)
    )
    assert (old.status_code, new.status_code) == (400, 200)


def test_staff_set_up_a_second_factor_and_sign_in_to_the_admin_with_it(people: People):
    user = UserFactory(is_staff=True)
    staff = Shopper(user)
    secret = ask(staff, "GET", f"{ACCOUNT}authenticators/totp").json()["meta"]["secret"]

    refused = ask(staff, "POST", f"{ACCOUNT}authenticators/totp", {"code": code_for(secret)})
    assert (refused.status_code, refused.json()["data"]["flows"]) == (401, [{"id": "reauthenticate"}])
    assert ask(staff, "POST", "_allauth/app/v1/auth/reauthenticate", {"password": PASSWORD}).status_code == 200
    answer = ask(staff, "POST", f"{ACCOUNT}authenticators/totp", {"code": code_for(secret)})

    assert answer.status_code == 200, answer.content
    desk, form = Client(), {"username": user.email, "password": PASSWORD}
    without = desk.post(reverse("admin:login"), form)
    assert (without.status_code, "needs the code" in without.content.decode()) == (200, True)
    codes = ask(staff, "GET", f"{ACCOUNT}authenticators/recovery-codes").json()["data"]["unused_codes"]
    assert desk.post(reverse("admin:login"), form | {"code": codes[0]}).status_code == 302
