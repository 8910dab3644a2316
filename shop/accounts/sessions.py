"""Reads a token's session and user, and the answer that is kept under that user's Idempotency-Key, in one statement.

Whatever is unusual about a session is left to allauth and Django.

# Note [Whose session]
The user's id stands signed within the session's data, which SQL cannot read. So the id that a token was last seen with
is remembered and read along. It is a guess about which row to fetch and nothing more: the session's own data decide,
and where they name another user, that one is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare

from shop import transactions
from shop.accounts.guests import SESSIONS_OF_GUESTS
from shop.accounts.users import User
from shop.statements import Statement

REMEMBERED = 20_000

_GET_SESSION = Statement("shop", "get_session")
# The columns of get_session.sql after the session's data, in the order of the model's fields.
USER_COLUMNS = (
    "password",
    "last_login",
    "is_superuser",
    "first_name",
    "last_name",
    "is_staff",
    "is_active",
    "date_joined",
    "id",
    "email",
    "guest_email",
    "guest_until",
)
# Where the columns of the kept answer begin, which are those of find_kept_answer.sql.
KEPT_FROM = 1 + len(USER_COLUMNS)
# By token, oldest first; see Note [Whose session].
_last_seen: dict[str, str] = {}


@dataclass(frozen=True)
class KeptAnswer:
    """The row of the answer that is kept under a user's key, None where none is (shop.rest.idempotency)."""

    user_id: UUID
    key: str
    row: tuple[Any, ...] | None


def signed_in(token: str, *, key: str | None = None) -> tuple[Any, Any, KeptAnswer | None] | None:
    """Return (user, session, kept answer) of a token, None where it is not valid, or no longer valid.

    The kept answer is None where there is no `key`, and where it has not been looked for.
    """
    guess = _last_seen.get(token)
    row = _GET_SESSION.one(token=token, user_id=guess, key=key)
    if row is None:
        return None
    session = SessionStore(token)
    data = session.decode(row[0])
    user_id = data.get(SESSION_KEY)
    if user_id is None:
        return None
    if user_id != guess:
        _remember(token, user_id)
        row = _GET_SESSION.one(token=token, user_id=user_id, key=key)
    user = None if row is None else _user(row[1:KEPT_FROM])
    if user is None or str(user.pk) != user_id or not _vouches(data, user):
        # The user is gone, the password was changed, the backend is another: Django decides and ends the session.
        found = authenticate_by_x_session_token(token)
        return None if found is None else (*found, None)
    assert row is not None  # noqa: S101  the user is of it
    return user, session, _kept(user.pk, key, row[KEPT_FROM:])


def _kept(user_id: UUID, key: str | None, columns: tuple[Any, ...]) -> KeptAnswer | None:
    """Return what was found under the key; every column of an answer has a value."""
    return None if key is None else KeptAnswer(user_id, key, None if columns[0] is None else columns)


def _user(columns: tuple[Any, ...]) -> User:
    return User.from_db(transactions.alias_for("shop"), USER_COLUMNS, columns)


def _vouches(data: dict[str, Any], user: User) -> bool:
    """Return whether the session is this user's, under the password that they have now."""
    backend = data.get(BACKEND_SESSION_KEY)
    is_known = backend == SESSIONS_OF_GUESTS if user.is_guest else backend in settings.AUTHENTICATION_BACKENDS
    if not is_known or not user.is_active:
        return False
    signed = data.get(HASH_SESSION_KEY) or ""
    # While the secret key is rotated, hashes under the one before hold: a token, unlike a cookie, cannot be renewed.
    return constant_time_compare(signed, user.get_session_auth_hash()) or any(
        constant_time_compare(signed, earlier) for earlier in user.get_session_auth_fallback_hash()
    )


def _remember(token: str, user_id: str) -> None:
    while len(_last_seen) >= REMEMBERED:
        _last_seen.pop(next(iter(_last_seen)), None)
    _last_seen[token] = user_id
