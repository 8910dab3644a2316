"""Facts that notifications publishes. The envelope's subject is the email; `kind` is the name of its template."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shop.events.event import Event


@dataclass(frozen=True, kw_only=True)
class EmailQueued(Event):
    """An email is to be sent: for the first time, or again because staff said so."""

    type = "email.queued"
    order_id: UUID
    kind: str


@dataclass(frozen=True, kw_only=True)
class EmailSent(Event):
    """The mail server took the email."""

    type = "email.sent"
    order_id: UUID
    kind: str


@dataclass(frozen=True, kw_only=True)
class EmailFailed(Event):
    """The email was given up; staff may have it sent again."""

    type = "email.failed"
    order_id: UUID
    kind: str


@dataclass(frozen=True, kw_only=True)
class EmailWithheld(Event):
    """The email was not sent: its mailbox has had as many about unpaid orders as it gets. Staff may have it sent again."""

    type = "email.withheld"
    order_id: UUID
    kind: str
