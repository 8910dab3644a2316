"""Which pages of which origins may call from a browser: those that CORS_ALLOWED_ORIGINS names, on the API and the sign-in."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config.origins import origins_from_env
from shop.rest.cors import RESPONSE_HEADERS
from tests.contract import headers_told

SHOP = "https://shop.example"
PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
CALLED = ["/api/v1/orders", "/_allauth/app/v1/auth/login"]


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = origins_from_env([SHOP])


@pytest.mark.parametrize("path", CALLED)
def test_a_browser_of_a_named_origin_may_call_with_a_token_and_a_key(path: str, allowed: None):
    preflight = Client().options(path, headers=PREFLIGHT)

    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Origin"] == SHOP
    assert {"Authorization", "Idempotency-Key", "If-Match"} <= set(
        preflight["Access-Control-Allow-Headers"].split(", ")
    )
    assert "POST" in preflight["Access-Control-Allow-Methods"].split(", ")
    assert "Access-Control-Allow-Credentials" not in preflight


@pytest.mark.parametrize("path", CALLED)
def test_it_may_read_every_answer_and_the_headers_that_it_decides_by(path: str, allowed: None):
    answer = Client().get(path, headers={"Origin": SHOP})

    assert answer.status_code in (401, 405)
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer["Vary"]
    assert set(answer["Access-Control-Expose-Headers"].split(", ")) == headers_told() - {"Cache-Control"}


@pytest.mark.parametrize("path", CALLED)
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "https://shop.example.elsewhere.example", ""])
def test_a_page_of_another_origin_may_not(path: str, origin: str, allowed: None):
    answers = [
        Client().options(path, headers=PREFLIGHT | {"Origin": origin}),
        Client().get(path, headers={"Origin": origin}),
    ]

    for answer in answers:
        assert answer.status_code != 204
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "Origin" in answer["Vary"]


@pytest.mark.parametrize("path", ["/admin/login/", "/webhooks/stripe", "/health", "/metrics"])
def test_nothing_else_is_for_pages_of_another_origin(path: str, allowed: None):
    answer = Client().options(path, headers=PREFLIGHT)

    assert answer.status_code != 204
    assert "Access-Control-Allow-Origin" not in answer


def test_without_the_setting_no_answer_speaks_of_origins():
    answer = Client().get("/api/v1/orders", headers={"Origin": SHOP})

    assert "Access-Control-Allow-Origin" not in answer
    assert "Origin" not in answer.get("Vary", "")


@pytest.mark.parametrize("wrong", ["*", "shop.example", "https://shop.example/", "https://shop.example/path", "null"])
def test_what_is_not_an_origin_stops_the_start(wrong: str):
    with pytest.raises(ImproperlyConfigured):
        origins_from_env([wrong])


def test_the_headers_that_a_browser_may_read_are_those_of_the_description():
    assert set(RESPONSE_HEADERS.split(", ")) == headers_told() - {"Cache-Control"}  # which it may read anyway
