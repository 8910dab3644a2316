"""Who may do what, for every route that Django's resolver knows: a new route without a rule here fails."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from orders.services.order_links import token_of
from tests.driver.factories import OrderBodyFactory
from tests.driver.routes import routes
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import state
from tests.proof.report import Record
from tests.proof.security.people import ROLES, People
from tests.proof.security.test_guests import Guest

QUOTE = {"lines": [{"sku": "MUG", "quantity": 1}], "destination": {"country": "PT"}}
REFUND = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "a scratch"}
ORDER = "api/v1/orders/<any_uuid:order_id>"
# (method, route) -> the status for each of ROLES. Whose order it is not, or who may not see all, is told it is not there.
API: dict[tuple[str, str], tuple[int, int, int, int, int]] = {
    ("GET", "api/v1/orders"): (401, 200, 200, 200, 200),
    ("POST", "api/v1/orders"): (401, 201, 201, 201, 201),
    ("GET", ORDER): (401, 404, 200, 404, 200),
    ("POST", f"{ORDER}/payment"): (401, 404, 201, 404, 403),
    ("GET", f"{ORDER}/receipt"): (401, 404, 200, 404, 200),
    ("GET", f"{ORDER}/refunds"): (401, 404, 200, 404, 200),
    ("POST", f"{ORDER}/refunds"): (401, 403, 403, 403, 201),
    ("POST", f"{ORDER}/extend-hold"): (401, 404, 409, 404, 403),
    ("POST", f"{ORDER}/cancel"): (401, 404, 409, 404, 409),
    ("POST", "api/v1/guests"): (201,) * 5,
    ("POST", "api/v1/order-lookups"): (202,) * 5,
    ("GET", "api/v1/categories"): (200,) * 5,
    ("POST", "api/v1/quotes"): (200,) * 5,
    ("GET", "api/v1/products"): (200,) * 5,
    ("GET", "api/v1/products/<str:sku>"): (200,) * 5,
    ("GET", "api/v1/schema"): (200,) * 5,
    ("GET", "api/v1/docs"): (200,) * 5,
    ("GET", "health"): (200,) * 5,
    ("GET", "ready"): (200,) * 5,
    ("GET", "metrics"): (200,) * 5,
    ("GET", "problems/"): (200,) * 5,
    ("GET", "problems/<slug:code>"): (200,) * 5,
    ("POST", "webhooks/stripe"): (400,) * 5,
}
# The storefront's shell, the same for everybody.
SHELL = (
    "",
    "products/<str:sku>",
    "basket",
    "checkout",
    "orders",
    "orders/<uuid:order_id>",
    "find-order",
    "sign-in",
    "account",
    "account/signup",
    "account/verify-email/<str:key>",
    "account/password/reset",
    "account/password/reset/key/<str:key>",
)
API |= {("GET", route): (200,) * 5 for route in SHELL}
# (method, route) -> the status for a guest whose order it is, and for whoever has the link of a mail about it. What is not here
# is answered as to anybody.
GUESTS = {
    ("GET", "api/v1/orders"): (200, 401),
    ("POST", "api/v1/orders"): (201, 401),
    ("GET", ORDER): (200, 200),
    ("POST", f"{ORDER}/payment"): (201, 201),
    ("GET", f"{ORDER}/receipt"): (200, 200),
    ("GET", f"{ORDER}/refunds"): (200, 401),
    ("POST", f"{ORDER}/refunds"): (403, 401),
    ("POST", f"{ORDER}/extend-hold"): (409, 409),
    ("POST", f"{ORDER}/cancel"): (409, 409),
}
GUEST = {"email": "guest@shop.example"}
# Repeated, they do nothing that matters, so they take no key.
KEYLESS = {"api/v1/guests", "api/v1/order-lookups", "api/v1/quotes"}
BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "api/v1/orders": OrderBodyFactory,
    "api/v1/guests": lambda: GUEST,
    "api/v1/order-lookups": lambda: GUEST | {"number": "7K3M9Q2XAB"},
    "api/v1/quotes": lambda: QUOTE,
    f"{ORDER}/refunds": lambda: REFUND,
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OURS = sorted({route for _method, route in API})
# Pages of the admin for everybody of the shop: the front page, one's own password, what a browser needs.
STAFF_PAGES = {"", "logout/", "password_change/", "password_change/done/", "jsi18n/", "search/"}


def test_every_route_has_a_rule():
    unknown = [
        route for route, _view in routes() if route not in OURS and not route.startswith(("admin/", "_allauth/app/v1/"))
    ]

    assert unknown == []
    assert set(OURS) <= {route for route, _view in routes()}


def test_the_api_answers_each_role_by_its_rule(people: People, proof: Record):
    found = {}
    for (method, route), expected in API.items():
        for role, status in zip(ROLES, expected, strict=True):
            answer = call(people.apis[role], method, path(route, people), BODIES.get(route, dict)())
            found[method, route, role] = (answer.status_code, status)

    wrong = [f"{name}: {is_} instead of {must}" for name, (is_, must) in found.items() if is_ != must]
    proof("route x role", histories=len(found), of=len(API) * len(ROLES), violations=wrong)
    assert wrong == []


def test_the_api_answers_a_guest_and_the_holder_of_a_link_by_their_rule(
    mug: str, drain: Callable[[], None], proof: Record
):
    guest = Guest()
    order_id = id_in(guest.place())
    holder = Shopper()
    holder.headers = {"X-Order-Token": token_of(order_id=order_id, epoch=1)}
    drain()
    found = {}
    for (method, route), rules in API.items():
        expected = GUESTS.get((method, route), (rules[0], rules[0]))
        for name, caller, status in zip(("guest", "link"), (guest, holder), expected, strict=True):
            answer = call(caller, method, path_to(route, order_id), BODIES.get(route, dict)())
            found[method, route, name] = (answer.status_code, status)

    wrong = [f"{name}: {is_} instead of {must}" for name, (is_, must) in found.items() if is_ != must]
    proof("route x role", histories=len(found), of=len(API) * 2, violations=wrong)
    assert wrong == []


def test_every_other_method_is_405(people: People):
    for route in OURS:
        taken = {method for method, known in API if known == route}
        for method in set(METHODS) - taken:
            answer = call(people.apis["staff with permission"], method, path(route, people), {})
            assert answer.status_code == 405, (method, route)
            assert set(answer["Allow"].split(", ")) - {"OPTIONS", "HEAD"} == taken


def test_an_unsafe_call_without_a_key_does_nothing(people: People):
    before = state()

    for method, route in API:
        if method == "POST" and route.startswith("api/") and route not in KEYLESS:
            body = BODIES.get(route, dict)()
            answer = call(people.apis["staff with permission"], method, path(route, people), body, key="")
            assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing"), route

    assert state() == before


def test_lists_hold_the_callers_own_orders_only(people: People):
    assert [order["id"] for order in people.apis["owner"].get("orders").json()["results"]] == [str(people.order_id)]
    for role in ("another customer", "staff without permission", "staff with permission"):
        assert people.apis[role].get("orders").json()["results"] == []


def test_an_order_that_is_not_the_callers_answers_as_one_that_does_not_exist(people: People):
    stranger = people.apis["another customer"]

    theirs, nobodys = (
        stranger.get(f"orders/{order_id}").json() | {"instance": "", "trace_id": ""}
        for order_id in (people.order_id, uuid.uuid4())
    )

    assert json.dumps(theirs).replace(str(people.order_id), "") == re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", json.dumps(nobodys)
    )


# --- signing in -------------------------------------------------------------------------------------------------------


def test_an_account_is_for_who_has_signed_in(people: People):
    for route, _view in routes():
        if route.startswith("_allauth/app/v1/account/"):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                answer = call(people.apis["anonymous"], method, f"/{route}", {})
                assert answer.status_code in (401, 404, 405, 409), (method, route)  # 409: no sign-in is under way


def test_no_route_of_the_accounts_breaks_on_an_empty_request(people: People):
    for route, _view in routes():
        if route.startswith("_allauth/"):
            for role in ("anonymous", "another customer"):
                for method in ("GET", "POST", "PUT", "PATCH"):
                    assert call(people.apis[role], method, f"/{route}", {}).status_code < 500, (role, method, route)


def test_wrong_passwords_are_slowed_down(people: People):
    owner = people.apis["owner"].user
    login = {"email": owner.email, "password": "a wrong password"}

    answers = [
        Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json") for _attempt in range(8)
    ]

    assert answers[0].json()["errors"][0]["code"] == "email_password_mismatch"
    last = answers[-1]
    assert last.status_code == 429 or last.json()["errors"][0]["code"] == "too_many_login_attempts", last.content


def test_a_token_is_worth_nothing_after_signing_out(people: People):
    caller = people.apis["owner"]
    assert caller.get("orders").status_code == 200

    Client().delete("/_allauth/app/v1/auth/session", headers={"X-Session-Token": caller.headers["Authorization"][7:]})

    assert caller.get("orders").status_code == 401


# --- the admin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin_paths(people: People) -> list[str]:
    """Every page and action of the admin, about a row that exists wherever one does."""
    found = []
    for route, _view in routes():
        if route.startswith("admin/"):
            parts = route.split("/")
            subject = str(_some_row(*parts[1:3])) if len(parts) > 2 else "1"
            filled = re.sub(r"<(?:path:)?(?:object_id|id)>", subject, route).replace("<path:content_type_id>", "1")
            filled = re.sub(r"\^\(\?P<app_label>.*\)/\$", "orders/", filled).replace("(?P<url>.*)$", "no-such-page")
            found.append(f"/{filled}")
    assert len(found) > 150
    assert not [each for each in found if "<" in each]
    return found


def test_the_admin_sends_everybody_else_to_its_door(people: People, admin_paths: list[str], proof: Record):
    before, asked, wrong = state(), 0, []
    for page in set(admin_paths) - {"/admin/login/", "/admin/logout/"}:
        for role, method in itertools.product(["anonymous", "another customer", "owner"], ["get", "post"]):
            answer = getattr(people.browsers[role], method)(page, {"_form_submitted": "on"})
            asked += 1
            if (answer.status_code, answer.get("Location", "").split("?")[0]) != (302, "/admin/login/"):
                wrong.append(f"{method} {page} as {role}: {answer.status_code}")

    wrong += [] if state() == before else ["something was changed"]
    proof("route x role", histories=asked, of=asked, violations=wrong)
    assert wrong == []


def test_staff_without_permission_are_refused_everywhere(people: People, admin_paths: list[str], proof: Record):
    before, asked, wrong = state(), 0, []
    browser = people.browsers["staff without permission"]
    open_to_staff = {f"/admin/{page}" for page in STAFF_PAGES} | {"/admin/login/"}
    for page in set(admin_paths) - open_to_staff:
        for answer in (browser.get(page), browser.post(page, {"_form_submitted": "on", **_every_action(page)})):
            # Django's own: to the page that will refuse, or home where there is no such row.
            leads_on = answer.status_code == 302 and re.search("/change/$|^/admin/$", answer["Location"])
            asked += 1
            if answer.status_code not in (403, 404, 405) and not leads_on:
                wrong.append(f"{page} as staff without permission: {answer.status_code}")

    wrong += [] if state() == before else ["something was changed"]
    proof("route x role", histories=asked, of=asked, violations=wrong)
    assert wrong == []


def test_who_may_only_look_changes_nothing(people: People, admin_paths: list[str]):
    from django.contrib.auth.models import Permission

    looker = people.apis["staff without permission"].user
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    before, browser = state(), people.browsers["staff without permission"]
    for page in set(admin_paths) - {f"/admin/{page}" for page in STAFF_PAGES} - {"/admin/login/"}:
        browser.post(page, {"_form_submitted": "on", **_every_action(page)})

    assert state() == before


def test_reading_in_the_admin_changes_nothing(people: People, admin_paths: list[str]):
    before, browser = state(), people.browsers["staff with permission"]
    for page in admin_paths:
        if page != "/admin/logout/":
            assert browser.get(page).status_code < 500, page

    assert state() == before


def test_a_form_from_another_site_is_refused(people: People, admin_paths: list[str]):
    before, browser = state(), Client(enforce_csrf_checks=True)
    browser.cookies = people.browsers["staff with permission"].cookies
    for page in admin_paths:
        assert browser.post(page, {"_form_submitted": "on", **_every_action(page)}).status_code in (403, 404, 405), page

    assert state() == before


def _every_action(page: str) -> dict[str, Any]:
    parts = page.split("/")
    if len(parts) != 5:
        return {"amount": 1, "reason": "none", "quantity": 1, "reference": "none"}
    model = _model(*parts[2:4])
    actions = getattr(admin.site._registry.get(model), "actions", ()) if model else ()
    return {
        "action": next(iter(actions), "delete_selected"),
        "_selected_action": [str(_some_row(*parts[2:4]))],
        "post": "yes",
    }


def _model(app: str, name: str) -> type[Model] | None:
    return next((m for m in admin.site._registry if (m._meta.app_label, m._meta.model_name) == (app, name)), None)


def _some_row(app: str = "", name: str = "") -> object:
    model = _model(app, name)
    row = model._default_manager.first() if model else None
    return row.pk if row else "1"


def call(caller: Shopper, method: str, where: str, body: Any, *, key: str | None = None) -> Any:
    headers = caller.headers | {"Idempotency-Key": str(uuid.uuid4()) if key is None else key}
    if where.startswith("/_allauth/") and "Authorization" in headers:
        headers["X-Session-Token"] = headers["Authorization"].removeprefix("Bearer ")
    content = "" if method == "GET" else json.dumps(body)
    sent = {"content_type": "application/json"} if method != "GET" else {}
    return getattr(Client(), method.lower())(
        where, content or None, headers={name: value for name, value in headers.items() if value}, **sent
    )


def path(route: str, people: People) -> str:
    return path_to(route, people.order_id)


def path_to(route: str, order_id: uuid.UUID) -> str:
    filled = re.sub(r"<(any_)?uuid:order_id>", str(order_id), route).replace("<str:sku>", "MUG")
    return "/" + filled.replace("<slug:code>", "not_found").replace("<str:key>", "a-key")
