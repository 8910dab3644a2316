"""Customers who are signed in, made by the hundred: what both shops are seeded with."""

from __future__ import annotations

import json
import sys

CUSTOMERS = 500
SKUS = 200
PLENTY = 1_000_000
HOT = "HOT"


def skus() -> list[str]:
    return [HOT, *(f"SPREAD-{number}" for number in range(SKUS))]


def sign_in_customers(make_users) -> list[str]:
    """Make the users with `make_users(count)` and a session for each; return their tokens."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session

    tokens, sessions = [], []
    for user in make_users(CUSTOMERS):
        store = SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        token = store._get_new_session_key()  # type: ignore[attr-defined]
        sessions.append(
            Session(
                session_key=token, session_data=store.encode(dict(store.items())), expire_date=store.get_expiry_date()
            )
        )
        tokens.append(token)
    Session.objects.bulk_create(sessions)
    return tokens


def tell(tokens: list[str]) -> None:
    """Print the tokens for the bench, which started this process."""
    json.dump(tokens, sys.stdout)
