"""Who a token is: one read of session and user, and each way in which a token stops being worth anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connections
from django.forms import model_to_dict
from django.utils import timezone

from shop.accounts import sessions
from shop.accounts.sessions import KeptAnswer, signed_in
from shop.accounts.users import User
from shop.statements import Statement
from tests.integration.shop.callers import Api
from tests.integration.shop.callers import signed_in as sign_in


@pytest.fixture
def token(api: Api) -> str:
    """Return a token that was used before."""
    assert signed_in(api.token) is not None
    return api.token


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements on the kernel's connection."""
    seen: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(watch):
        yield seen


def test_a_token_costs_one_read_and_two_where_it_is_new(api: Api):
    sessions._last_seen.clear()
    with counted() as first:
        assert signed_in(api.token) is not None
    with counted() as again:
        assert signed_in(api.token) is not None

    assert (len(first), len(again)) == (2, 1)


def test_a_kept_answer_is_read_along(api: Api):
    api.place(key="key-1")
    with counted() as again:
        found = signed_in(api.token, key="key-1")
    other = signed_in(api.token, key="key-2")

    assert found is not None
    assert other is not None
    assert len(again) == 1
    user, _session, kept = found
    assert kept == KeptAnswer(user.pk, "key-1", _row_of(user.pk, "key-1"))
    assert other[2] == KeptAnswer(user.pk, "key-2", None)


def _row_of(user_id: Any, key: str) -> tuple[Any, ...] | None:
    return Statement("shop", "find_kept_answer").one(user_id=user_id, key=key)


def test_an_unsafe_request_reads_once_who_asks_and_what_is_kept(api: Api):
    api.place(key="key-1")
    with counted() as repeated:
        answer = api.place(key="key-1")

    assert answer["Idempotent-Replayed"] == "true"
    assert len(repeated) == 1


def test_the_user_is_whole(token: str):
    found = signed_in(token)

    assert found is not None
    user, session, _kept = found
    assert user == User.objects.get()
    assert user.get_deferred_fields() == set()
    assert [field.attname for field in User._meta.concrete_fields] == list(sessions.USER_COLUMNS)
    assert model_to_dict(user) == model_to_dict(User.objects.get())
    assert session[SESSION_KEY] == str(user.pk)


def test_a_session_that_has_expired_is_nobody_s(token: str):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert signed_in(token) is None


def test_a_password_that_was_changed_ends_the_session(token: str):
    user = User.objects.get()
    user.set_password("another horse battery")
    user.save()

    assert signed_in(token) is None
    assert not Session.objects.exists()


def test_a_user_who_was_locked_is_nobody(token: str):
    User.objects.update(is_active=False)

    assert signed_in(token) is None


def test_a_user_who_was_deleted_is_nobody(token: str):
    User.objects.all().delete()

    assert signed_in(token) is None


def test_a_session_in_which_nobody_signed_in_is_nobody_s(token: str):
    session = SessionStore(token)
    del session[SESSION_KEY]
    session.save()

    assert signed_in(token) is None


def test_data_that_the_shop_did_not_sign_are_nobody_s(token: str):
    data, _, _signature = Session.objects.get().session_data.rpartition(":")
    Session.objects.update(session_data=f"{data}:{'x' * 43}")

    assert signed_in(token) is None


def test_a_backend_that_is_no_longer_configured_vouches_for_nobody(token: str, settings: Any):
    settings.AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
    used = SessionStore(token)["_auth_user_backend"]

    assert (signed_in(token) is None) == (used not in settings.AUTHENTICATION_BACKENDS)
    settings.AUTHENTICATION_BACKENDS = ["shop.accounts.sessions.Nobody"]
    assert signed_in(token) is None


def test_a_key_that_is_being_rotated_still_vouches(token: str, settings: Any):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new key that was made just now"

    for _each in range(2):
        found = signed_in(token)
        assert found is not None
        assert found[0] == User.objects.get()


def test_a_session_that_is_somebody_else_s_by_now_is_theirs(token: str):
    other = User.objects.create_user("joe@shop.example", "correct horse battery")
    session = SessionStore(token)
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(other.pk), other.get_session_auth_hash()
    session.save()

    for _each in range(2):
        found = signed_in(token)
        assert found is not None
        assert found[0] == other


def test_two_customers_are_never_taken_for_each_other(api: Api):
    other = sign_in("joe@shop.example")
    for _each in range(2):
        for one, email in ((api, "jane@shop.example"), (other, "joe@shop.example")):
            found = signed_in(one.token)
            assert found is not None
            assert found[0].email == email


def test_what_is_remembered_is_bounded(token: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sessions, "REMEMBERED", 2)
    for name in ("a", "b", "c"):
        sessions._remember(name, "whoever")

    assert list(sessions._last_seen)[-2:] == ["b", "c"]
    assert len(sessions._last_seen) == 2
