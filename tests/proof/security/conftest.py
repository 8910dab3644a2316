"""The shop as its callers meet it: one order that went all the way, and everybody who may ask for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from shop.models import User
from tests.driver.factories import UserFactory
from tests.driver.provider import Provider, sandbox
from tests.driver.shop import mug, shop_at_rest, shopper, staff
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.people import People

__all__ = ["mug", "sandbox", "shop_at_rest", "shopper", "staff"]


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
