"""Mails that are handed over to the thread of the process that queued them, which is let run or held."""

import time
from threading import Event

from notifications.models import EmailKind
from notifications.services import emails
from shop import transactions
from shop.work import background

SWEEP = "notifications.send_due_emails"
DEADLINE = 60


class Stall:
    """Where the thread waits until this is called."""

    def __init__(self):
        self._arrived, self._go_on = Event(), Event()

    def __call__(self):
        self._go_on.set()

    def arrives(self):
        """Wait until the thread has come there."""
        return self._arrived.wait(DEADLINE)

    def hold(self):
        """Have the thread wait."""
        self._arrived.set()
        self._go_on.wait(DEADLINE)


def finish(until=lambda: True):
    """Let everything run that waits, and nothing more."""
    deadline = time.monotonic() + DEADLINE
    while (background._runner()._errands or not until()) and time.monotonic() < deadline:
        pass
    background.finish()


def queue(*order_ids, kind=EmailKind.ORDER_CONFIRMED):
    with transactions.transaction("notifications"):
        emails.queue_emails([emails.NewEmail(kind=kind, order_id=order_id) for order_id in order_ids])
