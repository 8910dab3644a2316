"""A customer with a session token, a member of staff, and a client that speaks JSON."""

import pytest
from django.core.cache import cache
from django.test import Client

from shop.models import User
from tests.integration.shop.callers import PASSWORD, Api, signed_in
from tests.integration.shop.urls import Work


@pytest.fixture(autouse=True)
def edge(settings):
    settings.ROOT_URLCONF = "tests.integration.shop.urls"
    cache.clear()
    Work.calls, Work.outcome, Work.before_answer = [], None, staticmethod(lambda: None)


@pytest.fixture
def api(database):
    return signed_in("jane@shop.example")


@pytest.fixture
def anonymous(database):
    return Api()


class Staff(Client):
    """A browser in which `user` is signed in."""

    user: User


@pytest.fixture
def staff(database):
    user = User.objects.create_superuser("ops@shop.example", PASSWORD)
    client = Staff()
    client.force_login(user)
    client.user = user
    return client
