"""Reads of notifications: an order's emails, its story, and what the dashboard counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notifications import rules
from notifications.events import EmailFailed, EmailQueued, EmailSent, EmailWithheld
from notifications.models import Email, EmailStatus
from shop.counting import shown_count
from shop.events.past import PastFact, facts_about
from shop.money import Money
from shop.statements import Statement
from shop.story.timeline import Happening, Story, Upcoming, marked

CONTEXT = "notifications"
_PAGE = Statement("notifications", "page_emails")


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


def page_emails(*, after: UUID, limit: int) -> list[tuple[UUID, tuple[str, ...]]]:
    """Return the emails of up to `limit` orders by these orders' ids, from the first one past `after`.

    Each as "kind:cause:amount_minor", or "kind:cause:reason" where it tells of no refund.
    """
    return [(order_id, tuple(emails.split(","))) for order_id, emails in _PAGE.run(after=after, limit=limit)]


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
    pending = Email.objects.filter(status=EmailStatus.PENDING)
    return {
        "to send": shown_count(pending),
        "failed at least once": shown_count(pending.filter(attempts__gt=0)),
        "given up": shown_count(Email.objects.filter(status=EmailStatus.FAILED)),
        "withheld": shown_count(Email.objects.filter(status=EmailStatus.WITHHELD)),
    }


def tell_story(order_id: UUID) -> Story:
    """Tell which emails an order caused, and what happens to them next."""
    emails = list(Email.objects.filter(order_id=order_id).order_by("queued_at", "id"))
    told = facts_about(CONTEXT, [email.pk for email in emails])
    happened = tuple(
        happening
        for email in emails
        for happening in _happened(email, [fact for fact in told if fact.aggregate_id == email.pk])
    )
    return Story(happened, tuple(upcoming for email in emails for upcoming in _upcoming(email)))


def _name(email: Email) -> str:
    return f'the email "{email.kind.replace("_", " ")}"'


def _happened(email: Email, told: Sequence[PastFact]) -> Iterator[Happening]:
    latest = {fact.type: fact for fact in told}
    queued = [fact for fact in told if fact.type == EmailQueued.type]
    details = {"reason": email.reason, "amount": email.amount and str(email.amount)}
    why = {name: value for name, value in details.items() if value}
    begun = Happening(email.queued_at, CONTEXT, f"{_name(email)} was queued", {"email_id": email.pk, **why})
    yield marked(begun, queued[0] if queued else None)
    for fact in queued[1:]:
        yield marked(Happening(fact.occurred_at, CONTEXT, f"{_name(email)} was queued again"), fact)
    if email.sent_at is not None:
        sent = Happening(email.sent_at, CONTEXT, f"{_name(email)} was sent", {"attempts": email.attempts})
        yield marked(sent, latest.get(EmailSent.type))
    if email.failed_at is not None and email.status == EmailStatus.FAILED:
        facts = {"attempts": email.attempts, "error": email.last_error}
        given_up = Happening(email.failed_at, CONTEXT, f"{_name(email)} was given up", facts)
        yield marked(given_up, latest.get(EmailFailed.type))
    if email.status == EmailStatus.WITHHELD and (withheld_by := latest.get(EmailWithheld.type)) is not None:
        withheld = Happening(
            withheld_by.occurred_at, CONTEXT, f"{_name(email)} was withheld", {"reason": email.last_error}
        )
        yield marked(withheld, withheld_by)


def _upcoming(email: Email) -> Iterator[Upcoming]:
    if email.status == EmailStatus.FAILED:
        yield Upcoming(CONTEXT, f"staff decide whether {_name(email)} is sent again", by_staff=True)
    elif email.status == EmailStatus.PENDING and not email.attempts:
        yield Upcoming(CONTEXT, f"{_name(email)} is sent", email.due_at)
    elif email.status == EmailStatus.PENDING:
        tried = f"attempt {email.attempts + 1} of {rules.MAX_ATTEMPTS}"
        why = f"; the last failed: {email.last_error}" if email.last_error else ""
        yield Upcoming(CONTEXT, f"{_name(email)} is sent again ({tried}{why})", email.due_at)
