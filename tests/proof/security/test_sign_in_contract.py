"""Sign-in as docs/openapi.yaml tells it: each way that a storefront goes, with every answer held against the description."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from shop.rest.sign_in_schema import COMPONENTS, PREFIX
from tests.contract import description
from tests.driver.factories import PASSWORD, UserFactory
from tests.driver.mails import text_of
from tests.driver.routes import routes

ADA = {"email": "ada@shop.example", "password": "correct horse battery"}
OTHER = "another horse battery"


def call(method: str, path: str, body: Any = None, token: str = "") -> Any:
    headers = {"X-Session-Token": token} if token else {}
    content = "" if body is None else json.dumps(body)
    return Client().generic(method, f"{PREFIX}{path}", content, "application/json", headers=headers)


def key_in(text: str) -> str:
    found = re.search(r"/(?:verify-email|reset/key)/(\S+)", text)
    assert found is not None, text
    return unquote(found[1])


def test_what_is_described_is_there():
    described = {path.removeprefix("/") for path in description()["paths"] if path.startswith(PREFIX)}

    assert len(described) == 10
    assert described <= {route for route, _view in routes()}


def test_a_customer_signs_up_signs_in_and_signs_out(database: None):
    signed_up = call("POST", "/auth/signup", ADA)
    signed_in = call("POST", "/auth/login", ADA)
    token = signed_in.json()["meta"]["session_token"]
    session = call("GET", "/auth/session", token=token)

    assert (signed_up.status_code, signed_in.status_code, session.status_code) == (200, 200, 200)
    assert session.json()["data"]["user"]["email"] == ADA["email"]
    assert Client().get("/api/v1/orders", headers={"Authorization": f"Bearer {token}"}).status_code == 200

    assert call("POST", "/auth/login", ADA, token=token).status_code == 409
    assert call("DELETE", "/auth/session", token=token).status_code == 401
    assert call("GET", "/auth/session", token=token).status_code == 410
    assert call("GET", "/auth/session").status_code == 401


def test_an_address_is_verified_before_its_owner_signs_in(settings: Any, database: None):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    signed_up = call("POST", "/auth/signup", ADA)
    pending = call("POST", "/auth/login", ADA)
    token = signed_up.json()["meta"]["session_token"]

    assert (signed_up.status_code, pending.status_code) == (401, 401)
    for answer in (signed_up, pending):
        assert [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")] == ["verify_email"]
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'

    assert call("POST", "/auth/email/verify", {"key": "none"}, token=token).status_code == 400
    verified = call("POST", "/auth/email/verify", {"key": key_in(text_of(mail.outbox[0]))}, token=token)
    assert verified.status_code in (200, 401)
    assert call("POST", "/auth/login", ADA).status_code == 200


def test_a_password_is_reset_by_mail_and_changed_by_its_owner(database: None):
    call("POST", "/auth/signup", ADA)
    mail.outbox.clear()

    asked = [
        call("POST", "/auth/password/request", {"email": email}) for email in (ADA["email"], "nobody@shop.example")
    ]
    key = key_in(next(text_of(sent) for sent in mail.outbox if ADA["email"] in sent.to))
    weak = call("POST", "/auth/password/reset", {"key": key, "password": "1"})
    reset = call("POST", "/auth/password/reset", {"key": key, "password": OTHER})
    again = call("POST", "/auth/password/reset", {"key": key, "password": OTHER})
    signed_in = call("POST", "/auth/login", ADA | {"password": OTHER})
    token = signed_in.json()["meta"]["session_token"]

    assert [answer.content for answer in asked] == [asked[0].content] * 2
    assert (weak.status_code, reset.status_code, again.status_code, signed_in.status_code) == (400, 401, 400, 200)
    assert weak.json()["errors"][0]["code"] == "password_too_short"

    change = {"current_password": OTHER, "new_password": "a third horse battery"}
    assert call("POST", "/account/password/change", change | {"current_password": "x"}, token=token).status_code == 400
    assert call("POST", "/account/password/change", change, token=token).status_code == 200
    assert call("POST", "/account/password/change", change).status_code == 401


def test_an_account_changes_its_address_with_its_password_and_a_key(database: None):
    call("POST", "/auth/signup", ADA)
    token = call("POST", "/auth/login", ADA).json()["meta"]["session_token"]
    change = {"email": "new@shop.example"}
    mail.outbox.clear()

    refused = call("POST", "/account/email", change, token=token)
    again = call("POST", "/auth/reauthenticate", {"password": ADA["password"]}, token=token)
    asked = call("POST", "/account/email", change, token=token)
    confirmed = call("POST", "/auth/email/verify", {"key": key_in(text_of(mail.outbox[0]))}, token=token)

    assert [answer.status_code for answer in (refused, again, asked, confirmed)] == [401, 200, 200, 200]
    assert refused.json()["data"]["flows"] == [{"id": "reauthenticate"}]
    assert call("GET", "/account/email", token=token).json()["data"] == [change | {"primary": True, "verified": True}]
    assert call("GET", "/account/email").status_code == 401
    assert call("POST", "/auth/reauthenticate", {"password": ADA["password"]}).status_code == 401


def test_a_second_factor_is_asked_for_where_a_sign_in_waits_for_one(database: None):
    assert call("POST", "/auth/2fa/authenticate", {"code": "123456"}).status_code == 401


def told_of(answer: Any) -> tuple[str, str]:
    body = answer.json()
    return body["errors"][0]["code"], f"{answer.status_code} `{body['code']}`"


def test_the_page_of_errors_says_how_what_is_wrong_at_a_sign_in_is_answered(database: None):
    user = UserFactory(email=ADA["email"])
    login = {"email": user.email, "password": PASSWORD}
    totp.TOTP.activate(user, totp.generate_totp_secret())
    pending = call("POST", "/auth/login", login)

    wrong = call("POST", "/auth/2fa/authenticate", {"code": "no code"}, token=pending.json()["meta"]["session_token"])
    guesses = [call("POST", "/auth/login", login | {"password": "wrong wrong"}) for _attempt in range(12)]

    assert pending.status_code == 401
    page = Path("docs/how-to/errors.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+ `\w+`) \|", page, re.MULTILINE))
    assert rows == dict(told_of(answer) for answer in (wrong, guesses[0], guesses[-1]))


REQUESTS = {
    operation["operationId"]: (path, COMPONENTS[operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]])
    for path, item in description()["paths"].items()
    for operation in item.values()
    if path.startswith(PREFIX) and "requestBody" in operation
}  # fmt: skip


@pytest.mark.parametrize("operation", sorted(REQUESTS))
@pytest.mark.parametrize(
    "value", [1234567890123, ["correct horse battery"], {"a": "correct horse battery"}, True, None]
)
def test_a_text_is_a_text_and_nothing_that_can_be_written_as_one(operation: str, value: Any, database: None):
    path, schema = REQUESTS[operation]
    right = dict.fromkeys(schema["required"], "ada@shop.example")

    for name in schema["required"]:
        answer = call("POST", path.removeprefix(PREFIX), right | {name: value})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert f"#/{name}" in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_a_body_is_an_object(operation: str, database: None):
    bodies: list[Any] = [[], "text", 1, None]
    for body in bodies:
        content = json.dumps(body)
        path, _schema = REQUESTS[operation]
        answer = Client().generic("POST", path, content, "application/json")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (body, answer.content)


def test_a_mail_about_an_account_comes_in_the_shop_s_name_whatever_host_the_request_names(
    settings: Any, database: None
):
    settings.DEFAULT_FROM_EMAIL = "Mugs & More <orders@mugs.example>"
    settings.ALLOWED_HOSTS = ["*"]
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    for path, body in (("/auth/signup", ADA), ("/auth/password/request", {"email": ADA["email"]})):
        Client().generic(
            "POST", f"{PREFIX}{path}", json.dumps(body), "application/json", headers={"Host": "evil.example"}
        )

    assert len(mail.outbox) == 2
    for sent in mail.outbox:
        assert sent.from_email == settings.DEFAULT_FROM_EMAIL
        assert sent.message()["Message-ID"].endswith("@mugs.example>")
        assert "evil.example" not in sent.message().as_string()
        assert "Mugs & More" in sent.body
