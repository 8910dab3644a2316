"""The shop as its callers meet it: one order that went all the way, and everybody who may ask for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from shop.models import User
from tests.factories import UserFactory
from tests.integration.orders.conftest import Shopper, id_in, mug, shop_at_rest, shopper, staff
from tests.proof.handlers.conftest import context_models, rows_of
from tests.provider import Provider, sandbox

__all__ = ["mug", "sandbox", "shop_at_rest", "shopper", "staff"]

ROLES = ("anonymous", "another customer", "owner", "staff without permission", "staff with permission")


@dataclass
class People:
    """Everybody by role, with what they use: a token for the API, a session for the admin."""

    order_id: uuid.UUID
    apis: dict[str, Shopper]
    browsers: dict[str, Client]


@pytest.fixture
def people(shopper: Shopper, sandbox: Provider, drain: Callable[[], None]) -> People:
    order_id = id_in(shopper.place())
    drain()
    users: dict[str, User] = {
        "another customer": UserFactory(),
        "owner": shopper.user,
        "staff without permission": UserFactory(is_staff=True),
        "staff with permission": UserFactory(is_staff=True, is_superuser=True),
    }
    apis = {"anonymous": Shopper()} | {role: Shopper(user) for role, user in users.items()}
    browsers = {"anonymous": Client()} | {role: Client() for role in users}
    for role, user in users.items():
        browsers[role].force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return People(order_id, apis, browsers)


def routes(patterns: list[Any] | None = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the URL map as Django resolves it: each route as it is written, with its view."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def state() -> dict[str, str]:
    """Return every row of every context, of the users and of the staff's log, as text."""
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth.models import Group

    return {model._meta.db_table: rows_of(model) for model in [*context_models(), LogEntry, Group]} | {
        "users": str(sorted(User.objects.values_list("email", "is_staff", "is_superuser", "is_active", "password")))
    }
