"""Guests: who orders with an email address and has no account (docs/adr/0040-guests.md).

# Note [A guest is not signed in]
Its session names no backend of AUTHENTICATION_BACKENDS, so Django and django-allauth, which ask that, see nobody: no page
and no address of accounts takes its token. The API's own authentication alone knows it (shop.accounts.sessions).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from shop import clock, transactions
from shop.accounts.users import User

# RFC 2606: no mail reaches a name under .invalid.
GUEST_DOMAIN = "guest.invalid"
# Stands in a guest's session where Django has the backend that signed somebody in.
SESSIONS_OF_GUESTS = "shop.accounts.guests"


@dataclass(frozen=True)
class AdmittedGuest:
    """A guest with its token, which is good until `expires_at`."""

    user: User
    token: str
    expires_at: datetime


def admit_guest(*, email: str) -> AdmittedGuest:
    """Make a guest whose mails go to `email`, whoever else has that mailbox: an account, or other guests."""
    lasts = timedelta(days=settings.GUEST_TOKEN_DAYS)
    expires_at = clock.now() + lasts
    user = User(email=f"guest-{uuid.uuid4().hex}@{GUEST_DOMAIN}", guest_email=email.lower(), guest_until=expires_at)
    user.set_unusable_password()
    with transactions.transaction("shop"):
        user.save(force_insert=True)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = SESSIONS_OF_GUESTS
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.set_expiry(lasts)
        session.create()
    return AdmittedGuest(user, str(session.session_key), expires_at)
