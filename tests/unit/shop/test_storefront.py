"""The storefront's shell: one page at each of its addresses, cheap to ask for again, and nothing where it is off."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from shop.countries import COUNTRIES
from shop.errors import Fault
from shop.postal import WITH_POSTAL_CODE, WITH_REGION
from shop.storefront import urls, views

PATHS = [
    "/",
    "/products/MUG",
    "/basket",
    "/checkout",
    "/orders",
    "/sign-in",
    "/account",
    "/account/password/reset/key/1%3Aab-c",
]
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def read(name: str) -> str:
    found = finders.find(f"storefront/{name}")
    assert isinstance(found, str)
    with open(found) as file:  # noqa: PTH123  a path of Django's
        return file.read()


@pytest.mark.parametrize("path", PATHS)
def test_each_address_is_answered_with_the_same_page_that_sets_no_cookie(path: str):
    answer = Client().get(path)

    assert (answer.status_code, answer.content) == (200, Client().get("/").content)
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")


@pytest.fixture(autouse=True)
def products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the shop sell MUG, without a database."""
    monkeypatch.setattr(views, "_find_product", [lambda sku: sku == "MUG"])


def test_a_product_that_does_not_exist_is_answered_404_with_a_page_that_leads_on():
    answer = Client().get("/products/NOPE")

    page = answer.content.decode()
    assert answer.status_code == 404
    assert views.PRODUCT.heading in page
    assert views.PRODUCT.text in page
    assert '<a href="/">See the products</a>' in page
    assert '<meta name="robots" content="noindex">' in page
    assert 'src="/static/storefront/main.js"' in page


def test_a_product_that_cannot_be_looked_for_is_not_called_missing(monkeypatch: pytest.MonkeyPatch):
    def fail(sku: str) -> bool:
        raise Fault

    monkeypatch.setattr(views, "_find_product", [fail])

    assert Client().get("/products/MUG").status_code == 200


def test_the_scripts_say_of_what_is_missing_what_the_server_says():
    assert f'heading = "{views.PAGE.heading}", text = "{views.PAGE.text}"' in read("pages/not-here.js")
    assert f'notHere(context, "{views.PRODUCT.heading}", "{views.PRODUCT.text}")' in read("pages/product.js")


def test_a_page_that_has_not_changed_is_not_sent_again():
    first = Client().get("/")

    again = Client().get("/", headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Security-Policy" in first


@pytest.mark.parametrize("path", PATHS)
def test_a_shop_with_a_storefront_of_its_own_has_none_here(path: str, settings: Any):
    settings.STOREFRONT = False

    assert Client().get(path).status_code == 404
    assert b"storefront" not in Client().get(path, headers={"Accept": BROWSER}).content


@pytest.mark.parametrize("path", ["/nowhere", "/orders/7K3M9Q2XAB", "/account/nothing"])
def test_an_address_that_does_not_exist_is_answered_with_a_page_that_leads_home(path: str):
    answer = Client().get(path, headers={"Accept": BROWSER})

    page = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "This page does not exist" in page
    assert '<a href="/">See the products</a>' in page
    assert '<meta name="robots" content="noindex">' in page
    assert answer["Content-Security-Policy"] == Client().get("/")["Content-Security-Policy"]
    assert "noindex" not in Client().get("/").content.decode()


@pytest.mark.parametrize(
    ("method", "path", "accept", "kind"),
    [
        ("GET", "/api/v1/nowhere", BROWSER, "application/problem+json"),
        ("GET", "/health/nowhere", BROWSER, "application/problem+json"),
        ("GET", "/favicon.ico", "image/avif,image/webp,*/*;q=0.8", "text/html; charset=utf-8"),
        ("GET", "/static/nothing.js", "*/*", "text/html; charset=utf-8"),
        ("POST", "/nowhere", BROWSER, "text/html; charset=utf-8"),
    ],
)
def test_what_nobody_looks_at_is_answered_as_before(method: str, path: str, accept: str, kind: str):
    answer = Client().generic(method, path, headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (404, kind)
    assert b"storefront" not in answer.content


@pytest.mark.parametrize(
    ("publishable", "secret", "cards"),
    [
        ("pk_live_1", "sk_live_1", "stripe"),
        ("", "sk_live_1", "none"),
        ("", "sk_test_sandbox", "test"),
        ("", "", "none"),
    ],
)
def test_the_page_names_how_cards_are_taken_and_its_policy_allows_that_and_no_more(
    publishable: str, secret: str, cards: str, settings: Any
):
    settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_API_KEY, settings.STRIPE_TEST_BANK = publishable, secret, ""

    answer = Client().get("/")

    page = answer.content.decode()
    assert f'name="shop:cards" content="{cards}"' in page
    assert ("pk_live_1" in page, secret and secret in page) == (bool(publishable), secret and False)
    assert ("stripe.com" in answer["Content-Security-Policy"]) is bool(publishable)


def test_with_stripe_the_page_may_reach_stripe_and_nothing_else(settings: Any):
    settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_TEST_BANK = "pk_test_1", "http://127.0.0.1:12111"

    answer = Client().get("/")

    rules = [rule.split() for rule in answer["Content-Security-Policy"].split(";")]
    found = {name: set(sources) - {"'self'"} for name, *sources in rules}
    scripts = {"https://js.stripe.com", "https://*.js.stripe.com"}
    assert found["script-src"] == scripts
    assert found["connect-src"] == {"https://api.stripe.com"}
    assert found["frame-src"] == scripts | {"https://hooks.stripe.com"}
    assert "test-bank" not in answer.content.decode()


def test_the_page_may_call_the_test_bank_where_there_is_one(settings: Any):
    settings.STRIPE_TEST_BANK = "http://127.0.0.1:12111"

    answer = Client().get("/")

    assert "connect-src 'self' http://127.0.0.1:12111;" in answer["Content-Security-Policy"]
    assert 'name="shop:test-bank" content="http://127.0.0.1:12111"' in answer.content.decode()


def test_every_module_is_fetched_with_the_page_and_is_there():
    page = Client().get("/").content.decode()

    for name in views.MODULES:
        assert f'<link rel="modulepreload" href="/static/{name}">' in page
        for imported in re.findall(r'from "(\.[^"]+)"', read(name.removeprefix("storefront/"))):
            assert imported.endswith(".js")
    assert "storefront/main.js" in views.MODULES


def test_the_scripts_have_a_page_for_every_address_of_the_shell():
    routes = re.findall(r"\[/\^(.*)\$/, \w+\],", read("main.js"))
    patterns = [re.compile(route.replace("\\/", "/")) for route in routes]

    for route in urls.urlpatterns:
        path = "/" + re.sub(r"<\w+:\w+>", "abc", str(route.pattern))
        assert any(pattern.fullmatch(path) for pattern in patterns), path
    assert len(patterns) == len(urls.urlpatterns)


def test_the_checkout_offers_the_countries_that_the_api_takes():
    listed = read("countries.js").partition("const CODES =")[2].partition(";")[0]

    assert set(re.findall(r"\b[A-Z]{2}\b", listed)) == COUNTRIES


def test_the_checkout_asks_for_what_the_api_insists_on():
    script = read("countries.js")

    for name, table in (("WITH_POSTAL_CODE", WITH_POSTAL_CODE), ("WITH_REGION", WITH_REGION)):
        listed = script.partition(f"const {name} =")[2].partition(";")[0]
        assert set(re.findall(r"\b[A-Z]{2}\b", listed)) == table


def test_nothing_that_the_api_says_can_become_markup():
    for name in views.MODULES:
        script = read(name.removeprefix("storefront/"))
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script), (
            name
        )
