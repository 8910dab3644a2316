"""Two chains of middleware: what programs call goes through the short one, and loses nothing that a page's has."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory, override_settings
from django.test import client as django_client
from prometheus_client import REGISTRY

from shop.rest.chains import ApiChain, TwoChains
from tests.driver.logs import captured
from tests.driver.routes import routes

PROGRAM = [
    ("GET", "/api/v1/products", 200),
    ("GET", "/api/v1/products/NONE", 404),
    ("GET", "/api/v1/products?page_size=no&x=1", 400),
    ("GET", "/api/v1/nothing", 404),
    ("GET", "/api/v1/orders", 401),
    ("PUT", "/api/v1/orders", 401),
    ("DELETE", "/api/v1/products", 405),
    ("HEAD", "/api/v1/products", 200),
    ("OPTIONS", "/api/v1/products", 200),
    ("GET", "/api/v1/docs", 200),
    ("GET", "/api/v1/schema", 200),
    ("POST", "/webhooks/stripe", 400),
    ("GET", "/webhooks/stripe", 405),
    ("GET", "/webhooks/nothing", 404),
]
PAGES = [("GET", "/admin/login/", 200), ("GET", "/problems/", 200), ("GET", "/health", 200), ("GET", "/nothing", 404)]
ON_EVERY_ANSWER = {"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"}
# What differs from one request to the next.
OWN = {"request_id", "trace_id", "span_id", "duration_ms", "database_ms", "timestamp", "ip"}
COUNTED = re.compile(r"django_http_.*(?<!_created)(?<!_sum)(?<!_bucket)$")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
SECURE: dict[str, Any] = {"wsgi.url_scheme": "https"}


class LongChain(django_client.ClientHandler):
    """A test client's handler as Django has it: everything goes through settings.MIDDLEWARE."""

    def get_response(self, request: Any) -> Any:
        with override_settings(API_PATHS=()):
            return super().get_response(request)


def ask(method: str, path: str, *, long: bool = False, **environ: Any) -> Any:
    """Send a request through a handler of its own, which reads the settings anew."""
    client = Client(raise_request_exception=False)
    if long:
        client.handler = LongChain()
    return client.generic(method, path, "", "application/json", **environ)


def told(method: str, path: str, **how: Any) -> dict[str, Any]:
    """Return everything that a request leaves: answer, lines, counts; without what is its own."""
    before = counts()
    with captured(level=logging.INFO) as printed:
        answer = ask(method, path, **how)
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    headers = {name: UUID.sub("its id", value) for name, value in answer.items()}
    return {
        "status": answer.status_code,
        "headers": headers,
        "body": UUID.sub("", answer.content.decode()),
        "lines": [{name: value for name, value in line.items() if name not in OWN} for line in lines],
        "counts": {name: value - before.get(name, 0) for name, value in counts().items() if value != before.get(name)},
    }


def counts() -> dict[Any, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if COUNTED.match(sample.name)
    }


def test_the_clients_of_the_tests_go_through_both_chains():
    assert isinstance(Client().handler, TwoChains)


@pytest.mark.parametrize(("method", "path", "status"), PROGRAM)
def test_the_short_chain_tells_and_answers_what_the_long_one_does(method: str, path: str, status: int):
    ask(method, path)  # views that are loaded, texts that are translated

    short, long = told(method, path), told(method, path, long=True)

    assert short["status"] == status
    assert short == long


@pytest.mark.parametrize(("method", "path", "status"), [*PROGRAM, *PAGES])
def test_every_answer_is_named_counted_told_and_marked(method: str, path: str, status: int):
    found = told(method, path)

    assert found["status"] == status
    assert set(found["headers"]) >= ON_EVERY_ANSWER
    assert found["headers"]["X-Request-ID"] == "its id"
    counted = {name for name, *_labels in found["counts"]}
    assert counted >= {
        "django_http_requests_before_middlewares_total",
        "django_http_responses_before_middlewares_total",
        "django_http_requests_latency_including_middlewares_seconds_count",
        "django_http_requests_total_by_method_total",
        "django_http_responses_total_by_status_total",
        "django_http_responses_total_by_status_view_method_total",
        "django_http_requests_latency_seconds_by_view_method_count",
    }
    finished = [line for line in found["lines"] if line["event"] == "request_finished"]
    # A probe that is answered well is not told.
    assert [(line["code"], line["request"]) for line in finished] == (
        [] if path == "/health" else [(status, f"{method} {path}")]
    )


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _status in [*PROGRAM, *PAGES]])
def test_no_chain_takes_a_host_that_is_not_ours(method: str, path: str):
    with override_settings(ALLOWED_HOSTS=["shop.example"]):
        answer = ask(method, path, HTTP_HOST="elsewhere.example")

    assert answer.status_code == 400
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("method", "path", "status"), [*PROGRAM, *PAGES])
def test_both_chains_insist_on_https(method: str, path: str, status: int):
    with override_settings(SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=60):
        plain, secure = ask(method, path), ask(method, path, **SECURE)

    if method in ("GET", "HEAD"):
        assert (plain.status_code, plain["Location"]) == (301, f"https://testserver{path}")
    else:
        assert plain.json()["code"] == "https_required"
    assert (secure.status_code, secure["Strict-Transport-Security"]) == (status, "max-age=60")


def test_no_address_of_the_short_chain_needs_what_it_leaves_out():
    """A cookie signs nobody in there, so no CSRF token is needed: each view says so itself."""
    short = [(route, view) for route, view in routes() if f"/{route}".startswith(settings.API_PATHS)]

    assert len(short) > 8
    assert [route for route, view in short if not getattr(view, "csrf_exempt", False)] == []


@pytest.mark.parametrize(
    "path", ["/admin/", "/_allauth/app/v1/auth/login", "/api/v2/orders", "//api/v1/orders", "/API/v1/"]
)
def test_everything_else_goes_through_the_long_chain(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ApiChain, "get_response", lambda *_arguments: pytest.fail("the short chain"))

    assert ask("GET", path).status_code in (200, 302, 401, 404, 405)


def test_a_view_that_breaks_is_counted_and_told_once(monkeypatch: pytest.MonkeyPatch):
    def breaks(self: Any, request: Any, **_named: Any) -> Any:
        raise ValueError("broken")

    ask("GET", "/api/v1/products")  # counters come to be with the first request
    monkeypatch.setattr("inventory.rest.views.ProductList.get", breaks)
    short, long = told("GET", "/api/v1/products"), told("GET", "/api/v1/products", long=True)

    assert short["status"] == 500
    assert [line["event"] for line in short["lines"]] == ["request_failed"]
    for found in (short, long):
        for line in found["lines"]:
            line.pop("exception", None)
    assert short == long


@pytest.mark.parametrize("path", ["/api/v1/products", "/webhooks/stripe", "/problems/", "/admin/", "/nothing"])
def test_a_method_that_nobody_knows_makes_no_label_of_its_own(path: str):
    counted = {label for name in told("INVENTED", path)["counts"] for label in name[1:]}

    assert ("method", "<invalid method>") in counted
    assert ("method", "INVENTED") not in counted


def test_a_middleware_with_a_hook_that_would_not_be_called_is_refused():
    with (
        override_settings(API_MIDDLEWARE=["django_prometheus.middleware.PrometheusAfterMiddleware"]),
        pytest.raises(TypeError, match="hook"),
    ):
        ApiChain().load_middleware()


def test_an_address_is_of_one_chain_whatever_stands_before_it():
    request = RequestFactory().get("/api/v1/products", SCRIPT_NAME="/shop")

    assert request.path_info.startswith(settings.API_PATHS)
