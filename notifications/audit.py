"""What `manage.py audit` asks of notifications: I8 and I9 from its own outbox and inbox, I10 from what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models.functions import Now

from notifications.events import EmailFailed, EmailQueued, EmailSent
from notifications.models import Email, EmailStatus
from notifications.queries import emails_in_turn
from shop.audit import Check, Violation, register_check
from shop.events.history import register_history_checks, register_inbox_check

OVERDUE = timedelta(minutes=15)


def register() -> None:
    """Have these checks run with every audit."""
    register_history_checks(
        context="notifications",
        model=Email,
        noun="email",
        status_after={
            EmailQueued.type: EmailStatus.PENDING,
            EmailSent.type: EmailStatus.SENT,
            EmailFailed.type: EmailStatus.FAILED,
        },
        born={EmailStatus.PENDING},
        since_field="queued_at",
    )
    register_inbox_check("notifications")
    register_check(Check("I10", "notifications", "no email is overdue", _overdue))


def _overdue() -> Iterator[Violation]:
    for email in emails_in_turn().filter(due_at__lt=Now() - OVERDUE).order_by("due_at"):
        yield Violation("I10", f"email {email.pk}", f"{email.status}, due since {email.due_at}: nobody works")
