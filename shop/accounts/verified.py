"""Which email addresses an account has verified."""

from __future__ import annotations

import uuid

from allauth.account.models import EmailAddress


def verified_addresses(*, user_id: uuid.UUID) -> list[str]:
    """Return the addresses that belong to an account by its own proof; none where there is no such account."""
    return list(EmailAddress.objects.filter(user_id=user_id, verified=True).values_list("email", flat=True))
