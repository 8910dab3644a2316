"""Who acts: whoever says so, else who is signed in, else the process; and a request counts only while it is answered."""

from types import SimpleNamespace
from uuid import UUID

import pytest
import structlog
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from shop import actors
from shop.actors import LONGEST, acting, current_actor, current_request_id, serving, speak_for_process
from shop.request_ids import id_of

ID = "0190c5c2-6a4b-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    monkeypatch.setattr(actors, "_process", "")
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def request_of(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_nobody_acts_where_nobody_has_said_so():
    assert (current_actor(), current_request_id()) == ("", None)


@pytest.mark.parametrize(("is_staff", "told"), [(False, f"customer {ID}"), (True, f"staff {ID}")])
def test_who_is_signed_in_acts_while_the_request_is_answered(is_staff, told):
    with serving(request_of(SimpleNamespace(pk=ID, is_staff=is_staff))):
        assert current_actor() == told
    assert current_actor() == ""


def test_to_ask_who_acts_signs_nobody_in():
    asked = []
    user = SimpleLazyObject(lambda: asked.append(1) or SimpleNamespace(pk=ID, is_staff=True))

    with serving(request_of(user)):
        assert (current_actor(), asked) == ("", [])
        assert user.is_staff
        assert current_actor() == f"staff {ID}"


@pytest.mark.parametrize("user", [None, SimpleNamespace(pk=None, is_staff=False)])
def test_a_request_of_nobody_is_not_the_process(user):
    speak_for_process("command runserver")

    with serving(request_of(user)):
        assert current_actor() == ""
    assert current_actor() == "command runserver"


def test_whoever_says_so_acts_within_a_request_and_only_there():
    with serving(request_of(SimpleNamespace(pk=ID, is_staff=False))):
        with acting("sweep a"), acting("subscriber b"):
            assert current_actor() == "subscriber b"
        assert current_actor() == f"customer {ID}"


def test_a_name_is_cut_to_its_column():
    with acting("x" * (LONGEST + 1)):
        assert current_actor() == "x" * LONGEST


@pytest.mark.parametrize(("named", "told"), [(ID, ID), ("checkout-12345", None)])
def test_a_request_is_known_by_its_uuid_while_it_is_answered(named, told, settings):
    settings.TRUSTED_PROXIES = 1
    request = request_of(None)
    request.META["HTTP_X_REQUEST_ID"] = named
    structlog.contextvars.bind_contextvars(request_id=ID)

    assert current_request_id() is None, "a task carries the id of whoever sent it"
    with serving(request):
        assert current_request_id() == told


def test_a_request_that_nobody_has_named_is_known_by_the_id_of_its_answer():
    request = request_of(None)

    with serving(request):
        assert current_request_id() == str(UUID(id_of(request)))
