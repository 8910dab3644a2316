"""The sweep of notifications."""

from __future__ import annotations

from notifications.services import sending
from shop.work.sweeps import sweep


@sweep(every_seconds=5, at_once=4, due=sending.EMAILS.due)
def send_due_emails() -> int:
    """Send the emails that wait."""
    return sending.send_due_emails()
