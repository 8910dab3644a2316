"""What can be done with an email apart from sending it."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models.functions import Now

from notifications.events import EmailQueued
from notifications.models import Email, EmailKind, EmailStatus
from notifications.queries import EmailState, state_of
from shop import transactions
from shop.background import wake
from shop.errors import NotFound, Refusal
from shop.events.outbox import publish
from shop.money import Money
from shop.states import change_status

log = structlog.get_logger(__name__)


class EmailNotFound(NotFound):
    """No email has this id."""

    code = "email_not_found"
    title = "No such email"


class EmailNotFailed(Refusal):
    """Only an email that was given up is sent again: one that was sent may have been read."""

    code = "email_not_failed"
    title = "The email was sent, or still is being sent by itself"


def queue_email(
    *, kind: EmailKind, order_id: UUID, reason: str = "", cause_id: UUID | None = None, amount: Money | None = None
) -> None:
    """Leave an email to be sent, in the open transaction. Idempotent by (kind, order, cause): one email for each.

    `cause_id` tells apart what may happen to an order more than once; None for the rest.
    """
    transactions.require("notifications")
    told = {"amount_minor": amount.minor, "currency": amount.currency} if amount else {}
    email, created = Email.objects.get_or_create(
        order_id=order_id,
        kind=kind,
        cause_id=cause_id or order_id,
        defaults={"reason": reason, "due_at": Now(), **told},
    )
    if not created:
        log.info("email.exists", order_id=str(order_id), kind=str(kind))
        return
    publish(EmailQueued(order_id=order_id, kind=str(kind)), aggregate_id=email.pk, aggregate_version=1)
    wake("notifications.send_due_emails", context="notifications")
    log.info("email.queued", order_id=str(order_id), kind=str(kind), email_id=str(email.pk))


def send_again(*, email_id: UUID) -> EmailState:
    """Try an email that was given up again, now, with fresh attempts. Raises: EmailNotFound, EmailNotFailed."""
    with transactions.transaction("notifications"):
        email = Email.objects.filter(pk=email_id).first()
        if email is None:
            raise EmailNotFound(email_id=email_id)
        moved = change_status(
            Email,
            email_id,
            expected={EmailStatus.FAILED},
            to=EmailStatus.PENDING,
            event=EmailQueued(order_id=email.order_id, kind=email.kind),
            due_at=Now(),
            attempts=0,
            last_error="",
        )
        if moved is None:
            raise EmailNotFailed(email_id=email_id, status=email.status)
        wake("notifications.send_due_emails", context="notifications")
        email.refresh_from_db()
    log.info("email.requeued", order_id=str(email.order_id), kind=email.kind, email_id=str(email_id))
    return state_of(email)
