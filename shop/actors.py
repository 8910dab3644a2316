"""Who is acting. Every fact is written with its actor, and with the request that it was done in.

| actor | who |
| --- | --- |
| `customer <id>`, `staff <id>` | the account that the request came from |
| `provider <event id>` | the payment provider, by a webhook |
| `subscriber <name>` | a handler, which applied another fact |
| `sweep <name>` | work that was due, without anybody who waited for it |
| `command <name>` | staff at the command line |

"" where nobody has said. An id is an account's, never a name or an address: facts outlive the account (ADR 0030).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from shop import request_ids
from shop.ids import read_id

# Of the column.
LONGEST = 160

_acting: ContextVar[str] = ContextVar("acting", default="")
_serving: ContextVar[HttpRequest | None] = ContextVar("serving", default=None)
_process = ""


@contextmanager
def acting(actor: str) -> Iterator[None]:
    """Make `actor` the one who acts in this block."""
    token = _acting.set(actor[:LONGEST])
    try:
        yield
    finally:
        _acting.reset(token)


@contextmanager
def serving(request: HttpRequest) -> Iterator[None]:
    """Make whoever is signed in the actor of this request."""
    token = _serving.set(request)
    try:
        yield
    finally:
        _serving.reset(token)


def speak_for_process(actor: str) -> None:
    """Make `actor` the one who acts in this process where nobody else is named."""
    global _process  # noqa: PLW0603  a process is one command
    _process = actor[:LONGEST]


def current_actor() -> str:
    """Return who acts now; "" where nobody has said."""
    if actor := _acting.get():
        return actor
    if (request := _serving.get()) is None:
        return _process
    user = known_user(request)
    if user is None or not user.pk:
        return ""
    return f"{'staff' if user.is_staff else 'customer'} {user.pk}"


def current_request_id() -> str | None:
    """Return the id of the request that is being answered, a UUID; None outside of any request."""
    request = _serving.get()
    return None if request is None else _as_uuid(request_ids.id_of(request))


@lru_cache(maxsize=128)
def _as_uuid(request_id: str) -> str | None:
    """Return an id as a UUID is written, None where it is not one: a proxy before the shop may name requests in another form."""
    found = read_id(request_id)
    return None if found is None else str(found)


def known_user(request: HttpRequest) -> Any:
    """Return who is signed in, if the request has found that out, else None; asking now would cost statements."""
    user = request.__dict__.get("user")
    if user is None or (isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty):
        return None
    return user
