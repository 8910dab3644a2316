"""Reads of notifications: an order's emails, its story, and what the dashboard counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from notifications import rules
from notifications.models import Email, EmailStatus
from shop.money import Money
from shop.timeline import Happening, Story, Upcoming

CONTEXT = "notifications"


@dataclass(frozen=True)
class EmailState:
    """One email as other contexts see it.

    `kind` says what it tells, `reason` why (for a cancellation), `amount` how much went back (for a part refunded).
    """

    email_id: UUID
    order_id: UUID
    kind: str
    reason: str
    amount: Money | None
    status: str
    attempts: int
    queued_at: datetime
    sent_at: datetime | None


def list_emails(*, order_id: UUID) -> tuple[EmailState, ...]:
    """Return the emails of an order, in the order of their causes."""
    return tuple(state_of(email) for email in Email.objects.filter(order_id=order_id).order_by("queued_at", "id"))


def emails_in_turn() -> QuerySet[Email]:
    """Return the emails that wait for no earlier one of their order: customers read them as things happened.

    An earlier one without a moment is never taken and so holds nobody back.
    """
    before = Q(queued_at__lt=OuterRef("queued_at")) | Q(queued_at=OuterRef("queued_at"), id__lt=OuterRef("id"))
    unsent = Email.objects.filter(
        before, order_id=OuterRef("order_id"), status=EmailStatus.PENDING, due_at__isnull=False
    )
    return Email.objects.filter(~Exists(unsent))


def state_of(email: Email) -> EmailState:
    """Return what other contexts may see of an email."""
    return EmailState(
        email_id=email.pk,
        order_id=email.order_id,
        kind=str(email.kind),
        reason=email.reason,
        amount=email.amount,
        status=str(email.status),
        attempts=email.attempts,
        queued_at=email.queued_at,
        sent_at=email.sent_at,
    )


def dashboard_figures() -> dict[str, object]:
    """Count what staff look after."""
    counts = Email.objects.aggregate(
        to_send=Count("pk", filter=Q(status=EmailStatus.PENDING)),
        tried_in_vain_so_far=Count("pk", filter=Q(status=EmailStatus.PENDING, attempts__gt=0)),
        given_up=Count("pk", filter=Q(status=EmailStatus.FAILED)),
    )
    return {name.replace("_", " "): count for name, count in counts.items()}


def story_of(order_id: UUID) -> Story:
    """Tell which emails an order caused, and what happens to them next."""
    emails = list(Email.objects.filter(order_id=order_id).order_by("queued_at", "id"))
    happened = tuple(happening for email in emails for happening in _happened(email))
    return Story(happened, tuple(upcoming for email in emails for upcoming in _upcoming(email)))


def _name(email: Email) -> str:
    return f'the email "{email.kind.replace("_", " ")}"'


def _happened(email: Email) -> Iterator[Happening]:
    told = {"reason": email.reason, "amount": email.amount and str(email.amount)}
    why = {name: value for name, value in told.items() if value}
    yield Happening(email.queued_at, CONTEXT, f"{_name(email)} was queued", {"email_id": email.pk, **why})
    if email.sent_at is not None:
        yield Happening(email.sent_at, CONTEXT, f"{_name(email)} was sent", {"attempts": email.attempts})
    if email.failed_at is not None and email.status == EmailStatus.FAILED:
        facts = {"attempts": email.attempts, "error": email.last_error}
        yield Happening(email.failed_at, CONTEXT, f"{_name(email)} was given up", facts)


def _upcoming(email: Email) -> Iterator[Upcoming]:
    if email.status == EmailStatus.FAILED:
        yield Upcoming(CONTEXT, f"staff decide whether {_name(email)} is sent again")
    elif email.status == EmailStatus.PENDING and not email.attempts:
        yield Upcoming(CONTEXT, f"{_name(email)} is sent", email.due_at)
    elif email.status == EmailStatus.PENDING:
        tried = f"attempt {email.attempts + 1} of {rules.MAX_ATTEMPTS}"
        why = f"; the last failed: {email.last_error}" if email.last_error else ""
        yield Upcoming(CONTEXT, f"{_name(email)} is sent again ({tried}{why})", email.due_at)
