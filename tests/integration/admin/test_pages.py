"""Every page of the admin opens, every tile of its first page can be read, and nothing can be edited by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import unfold
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from local.processes import ROOT
from shop.accounts.users import User
from shop.admin.tiles import Dashboard
from shop.contexts import CONTEXTS
from shop.states import StatusModel

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def staff(database: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@shop.example", "not-a-secret-1"))
    return client


def test_the_first_page_opens_with_every_tile_readable(staff: Client):
    page = staff.get("/admin/")

    assert page.status_code == 200
    assert b"Cannot be read" not in page.content
    assert {context for context, _title in Dashboard.tiles} == set(CONTEXTS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_opens_searches_and_offers_its_filters(staff: Client, model: type[models.Model]):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"

    assert staff.get(reverse(name)).status_code == 200
    if admin.site._registry[model].search_fields:
        assert staff.get(reverse(name), {"q": "018f0000-0000-7000-8000-000000000001"}).status_code == 200


@pytest.mark.parametrize("model", [model for model in MODELS if issubclass(model, StatusModel)])
def test_a_status_has_no_form(model: type[StatusModel], rf):
    page = admin.site._registry[model]
    request = rf.get("/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)

    assert not page.has_add_permission(request)
    assert not page.has_delete_permission(request)
    assert not page.has_change_permission(request) or "status" in page.get_readonly_fields(request)


def test_every_model_of_every_context_is_in_the_admin():
    inline = {each.model for page in admin.site._registry.values() for each in page.inlines}
    missing = [
        model._meta.label
        for context in CONTEXTS
        for model in apps.get_app_config(context).get_models()
        if model not in admin.site._registry and model not in inline
    ]

    assert missing == []


def test_every_row_has_a_name_that_people_can_read():
    """Staff read it in lists, questions and the log; also of a row that is not all there."""
    rows = [model() for context in (*CONTEXTS, "shop") for model in apps.get_app_config(context).get_models()]

    assert [str(row) for row in rows if " object (" in str(row)] == []


def test_every_action_on_many_rows_asks_before_it_acts():
    unasked = [
        f"{type(page).__name__}.{name}"
        for page in admin.site._registry.values()
        for name in page.actions or ()
        if not hasattr(getattr(page, str(name)), "asks")
    ]

    assert unasked == []


@pytest.mark.parametrize(
    ("storefront", "link"),
    [
        ("https://shop.example", True),
        ("https://testserver", False),
        ("", False),
        ("http://testserver:3000", True),
    ],
)
def test_view_site_leads_to_the_storefront_or_is_left_out(staff: Client, settings: Any, storefront: str, link: bool):
    settings.STOREFRONT = False
    settings.STOREFRONT_URL = storefront

    page = staff.get("/admin/").content.decode()

    assert ("View site" in page, f'href="{storefront}"' in page) == (link, link)
    assert ("Return to site" in Client().get("/admin/login/").content.decode()) is link


@pytest.mark.parametrize(("named", "leads_to"), [("", "/"), ("https://testserver", "https://testserver")])
def test_view_site_leads_to_the_reference_storefront_while_it_is_on(
    staff: Client, settings: Any, named: str, leads_to: str
):
    settings.STOREFRONT_URL = named

    assert f'href="{leads_to}"' in staff.get("/admin/").content.decode()


def test_each_class_of_our_pages_is_one_that_the_theme_ships():
    """A class that it does not ship styles nothing: a text is not broken, a list has no columns."""
    theme = Path(str(unfold.__file__)).parent / "static" / "unfold" / "css"
    shipped = {
        name.replace("\\", "")
        for path in theme.glob("*.css")
        for name in re.findall(r"\.((?:\\.|[\w-])+)", path.read_text())
    }
    # A page with a style of its own, such as a receipt, is not one of the theme's.
    own = [path for path in ROOT.glob("*/templates/**/*.html") if "<style" not in path.read_text()]
    pages = [*own, *ROOT.glob("*/admin.py"), *ROOT.glob("shop/admin/*.py")]
    used = {
        (path.name, name)
        for path in pages
        for classes in re.findall(r'class="([^"]*)"', path.read_text())
        for name in re.sub(r"{[{%].*?[%}]}", " ", classes).split()
    }

    assert len(used) > 30
    assert sorted(each for each in used if each[1] not in shipped) == []
