"""What can be done with an email apart from sending it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog
from django.db.models.functions import Now

from notifications.events import EmailQueued
from notifications.models import Email, EmailKind, EmailStatus
from notifications.queries import EmailState, state_of
from shop import transactions
from shop.errors import NotFound, Refusal
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.ids import new_id
from shop.money import Money
from shop.statements import Statement
from shop.states import change_status
from shop.work import handover
from shop.work.background import wake

log = structlog.get_logger(__name__)

_QUEUE = Statement("notifications", "queue_emails")
_SWEEP = "notifications.send_due_emails"


class EmailNotFound(NotFound):
    """No email has this id."""

    code = "email_not_found"
    title = "No such email"


class EmailNotFailed(Refusal):
    """Only an email that was given up or withheld is sent again: one that was sent may have been read."""

    code = "email_not_failed"
    title = "The email was sent, or is still being retried automatically"


@dataclass(frozen=True, kw_only=True)
class NewEmail:
    """An email to be queued. `cause_id` tells apart what may happen to an order more than once; None for the rest."""

    kind: EmailKind
    order_id: UUID
    reason: str = ""
    cause_id: UUID | None = None
    amount: Money | None = None


def queue_email(
    *, kind: EmailKind, order_id: UUID, reason: str = "", cause_id: UUID | None = None, amount: Money | None = None
) -> None:
    """Leave an email to be sent, in the open transaction. Idempotent by (kind, order, cause): one email for each."""
    queue_emails([NewEmail(kind=kind, order_id=order_id, reason=reason, cause_id=cause_id, amount=amount)])


def queue_emails(emails: Sequence[NewEmail]) -> None:
    """Leave emails to be sent, in the open transaction and one statement. Idempotent as `queue_email`."""
    wanted = {new_id(): email for email in emails}
    events = {key: EmailQueued(order_id=email.order_id, kind=str(email.kind)) for key, email in wanted.items()}
    rows = [{"id": key, **_columns(email), **fact(events[key])} for key, email in wanted.items()]
    # Emails of one order are sent in turn, which only the sweep sees to.
    in_turn = len({email.order_id for email in emails}) < len(emails)
    lease = None if in_turn else handover.lease_seconds(_SWEEP, rows=len(emails))
    queued = {row[0]: row[1] for row in _QUEUE.run(emails=msgspec.json.encode(rows).decode(), lease=lease)}
    leased = []
    for key, email in wanted.items():
        if key not in queued:
            log.debug("email.exists", order_id=str(email.order_id), kind=str(email.kind))
            continue
        announce(events[key])
        log.debug("email.queued", order_id=str(email.order_id), kind=str(email.kind), email_id=str(key))
        if (leased_until := queued[key]) is not None:
            leased.append(handover.Leased(key, Email(pk=key, **_columns(email)), leased_until))
    handover.hand_over(_SWEEP, *leased)
    if None in queued.values():
        wake(_SWEEP, context="notifications")


def _columns(email: NewEmail) -> dict[str, object]:
    return {
        "order_id": email.order_id,
        "kind": str(email.kind),
        "cause_id": email.cause_id or email.order_id,
        "reason": email.reason,
        "amount_minor": email.amount.minor if email.amount else None,
        "currency": email.amount.currency if email.amount else "",
    }


def send_again(*, email_id: UUID) -> EmailState:
    """Try an email that was given up or withheld again, now, with fresh attempts; the limit of its recipient holds again.

    Raises: EmailNotFound, EmailNotFailed.
    """
    with transactions.transaction("notifications"):
        email = Email.objects.filter(pk=email_id).first()
        if email is None:
            raise EmailNotFound(email_id=email_id)
        moved = change_status(
            Email,
            email_id,
            expected={EmailStatus.FAILED, EmailStatus.WITHHELD},
            event=EmailQueued(order_id=email.order_id, kind=email.kind),
            due_at=Now(),
            attempts=0,
            last_error="",
        )
        if moved is None:
            raise EmailNotFailed(email_id=email_id, status=email.status)
        wake(_SWEEP, context="notifications")
        email.refresh_from_db()
    log.info("email.requeued", order_id=str(email.order_id), kind=email.kind, email_id=str(email_id))
    return state_of(email)
