"""What a browser may run on our pages, and that the pages need no more: no script stands in one, none comes from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from shop.accounts.users import User
from tests.proof.security.people import People

RUNS_NOTHING = ("application/json", "text/template")
LISTS = sorted(f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry)


class Page(HTMLParser):
    """Notes what a policy without 'unsafe-inline' for scripts would stop."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stopped: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.stopped += [f"<{tag} {name}=...>" for name in given if name.startswith("on")]
        self.stopped += [f"<{tag} {name}=javascript:>" for name, v in attrs if (v or "").startswith("javascript:")]
        if tag in ("iframe", "object", "embed", "base"):
            self.stopped.append(f"<{tag}>")
        if tag == "script" and given.get("type") not in RUNS_NOTHING:
            if given.get("src"):
                self.scripts.append(str(given["src"]))
            else:
                self.stopped.append(f"<script {attrs}>")


def directives(answer: Any) -> dict[str, set[str]]:
    parts = [part.split() for part in answer["Content-Security-Policy"].split(";")]
    return {name: set(values) for name, *values in parts}


def look(answer: Any) -> Page:
    """Return a page that passes its own policy."""
    assert answer.status_code in (200, 404)
    policy, page = directives(answer), Page(answer.content.decode())
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}
    assert policy["form-action"] == {"'self'"}
    assert "'unsafe-inline'" not in policy.get("script-src", policy["default-src"])
    assert page.stopped == []
    assert all(source.startswith("/") and not source.startswith("//") for source in page.scripts), page.scripts
    if page.scripts:
        assert "'self'" in policy.get("script-src", policy["default-src"])
    return page


@pytest.fixture
def staff(people: People) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("looks@shop.example", "not-a-secret-1"))
    return client


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_the_admin_and_what_it_leads_to_pass_their_policy(name: str, staff: Client):
    page = staff.get(reverse(f"admin:{name}_changelist"))

    assert look(page).scripts
    changelist = page.context["cl"]
    for row in changelist.result_list[:1]:
        look(staff.get(reverse(f"admin:{name}_change", args=[row.pk])))


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/password_change/", "/admin/nowhere/"])
def test_other_pages_of_the_admin_pass_their_policy(path: str, staff: Client):
    look((Client() if "login" in path else staff).get(path))


def test_the_page_of_the_description_passes_its_policy_and_its_script_is_apart(people: People):
    page = look(Client().get("/api/v1/docs"))

    assert b'<html lang="en">' in Client().get("/api/v1/docs").content
    (ours,) = [source for source in page.scripts if "script" in source.rpartition("?")[2]]
    script = Client().get(ours)
    assert script["Content-Type"].startswith("application/javascript")
    assert b"SwaggerUIBundle" in script.content


@pytest.mark.parametrize("path", ["/problems/", "/problems/not_found"])
def test_pages_of_problems_run_nothing(path: str, people: People):
    answer = Client().get(path)

    assert look(answer).scripts == []
    assert directives(answer)["default-src"] == {"'none'"}
    assert "script-src" not in directives(answer)


def test_expressions_are_evaluated_in_the_admin_alone(people: People):
    evaluates = [path for path in ("/admin/login/", "/api/v1/docs", "/problems/") if "eval" in policy_of(path)]

    assert evaluates == ["/admin/login/"]


@pytest.mark.parametrize("path", ["/", "/products/MUG", "/checkout", "/account/verify-email/key"])
def test_the_storefront_passes_its_policy_which_lets_nothing_stand_in_the_page(path: str, people: People):
    answer = Client().get(path)

    assert look(answer).scripts == ["/static/storefront/main.js"]
    assert "style=" not in answer.content.decode()
    policy = directives(answer)
    assert policy["default-src"] == {"'none'"}
    assert policy["script-src"] == policy["style-src"] == {"'self'"}
    assert not [each for values in policy.values() for each in values if "unsafe" in each]


def policy_of(path: str) -> str:
    return str(Client().get(path)["Content-Security-Policy"])
