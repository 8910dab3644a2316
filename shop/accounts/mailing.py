"""How a mail about an account leaves, while its request waits: few at a time, for seconds, and with no session of the database held.

A mail server that says nothing then costs a few threads, and everybody else orders as ever.
"""

from __future__ import annotations

import threading

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.core.mail import EmailMessage

from shop import deadlines, transactions
from shop.errors import Fault

MOST_AT_ONCE = 4
# The caller waits for it, and the gateway for the caller.
SENDING_SECONDS = 10.0

log = structlog.get_logger(__name__)
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


class AccountMailUnsent(Fault):
    """The mail server did not take a mail about an account, or too many wait for it. What was asked for may be done: ask for the mail again."""

    code = "account_mail_unsent"
    title = "The email could not be sent; ask for it again in a moment"
    # As long as django-allauth wants between two mails to one address.
    retry_after_seconds = 10


def send(mail: EmailMessage) -> None:
    """Hand a mail to the mail server. Raises: AccountMailUnsent, which does not show the address."""
    transactions.go_outside()
    if not _places.acquire(blocking=False):
        raise AccountMailUnsent
    try:
        with deadlines.within(SENDING_SECONDS):
            mail.send()
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001  the boundary to every kind of backend; raised again as one of ours
        log.warning("account_mail.unsent", error=type(error).__name__)
        raise AccountMailUnsent from None
    finally:
        _places.release()
