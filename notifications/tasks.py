"""The sweeps of notifications."""

from __future__ import annotations

from notifications.services import order_links, sending
from shop.work.sweeps import sweep


@sweep(every_seconds=5, at_once=4, due=sending.EMAILS.due)
def send_due_emails() -> int:
    """Send the emails that wait."""
    return sending.send_due_emails()


@sweep(every_seconds=5, due=order_links.REQUESTS.due)
def send_order_links() -> int:
    """Mail the links of orders that were asked for, and forget the requests that fit none."""
    return order_links.send_order_links()
