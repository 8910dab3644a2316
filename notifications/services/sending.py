"""Rendering and sending: claim and count the attempt, commit, read the order, ask the mail server, record.

Nothing outside is asked within a transaction, and the outcome is recorded by compare-and-set.
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import parseaddr

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string

from notifications import gateways, rules
from notifications.events import EmailFailed, EmailSent
from notifications.models import Email, EmailKind, EmailStatus
from notifications.queries import emails_in_turn
from orders import api as orders
from shop import transactions
from shop.errors import Fault, Refusal
from shop.states import change_status

log = structlog.get_logger(__name__)

# Note [Once per cause]
# Each cause has one row, and two sweeps never claim a row at once, so each cause is mailed once. Only a process that
# dies after the mail server took the mail and before SENT is committed leaves a row that is sent again when its lease
# ends: at least once, chosen over silence. The copy has the same Message-ID, so that mail systems can fold the two.

BATCH = 100
LEASE_SECONDS = 120


def send_due_emails() -> int:
    """Send every email whose moment has come, each under its own lease; return how many were tried.

    The first Fault ends the batch, for a mail server that hangs would cost each of the others its timeout, too: they
    stay due for the next sweep.
    """
    transactions.forbid()
    tried = 0
    while tried < BATCH and (email := _claim()) is not None:
        tried += 1
        try:
            _try(email)
        except Fault as fault:
            log.warning("email.batch_stopped", tried=tried, error=fault.code)
            break
    return tried


def render(email: Email, order: orders.OrderState) -> gateways.Message:
    """Return the finished email: subject, text and HTML from the templates of its kind."""
    lines = [
        {
            "name": line.name,
            "sku": line.sku,
            "quantity": line.quantity,
            "unit_price": line.unit_price.localized(),
            "line_total": line.line_total.localized(),
        }
        for line in order.lines
    ]
    kind = EmailKind(email.kind).value
    subject = rules.subject(kind, number=order.number)
    context = {
        "subject": subject,
        "order": order,
        "lines": lines,
        "total": order.total.localized(),
        "reason": rules.reason_in_words(email.reason),
        "amount": email.amount.localized() if email.amount else "",
        "shop_name": parseaddr(settings.DEFAULT_FROM_EMAIL)[0] or "The shop",
    }
    return gateways.Message(
        email_id=email.pk,
        to=order.email,
        subject=subject,
        text=render_to_string(f"notifications/{kind}.txt", context),
        html=render_to_string(f"notifications/{kind}.html", context),
    )


def _claim() -> Email | None:
    """Take the email that has waited longest (Note [Once per cause]) and count the attempt, so that even one that kills its worker ends.

    One that comes after another of its order which has yet to be sent or given up is not taken.
    """
    with transactions.transaction("notifications"):
        email = (
            emails_in_turn()
            .filter(due_at__lte=Now(), status=EmailStatus.PENDING)
            .select_for_update(skip_locked=True)
            .order_by("due_at", "queued_at", "id")
            .first()
        )
        if email is None:
            return None
        Email.objects.filter(pk=email.pk).update(
            due_at=Now() + timedelta(seconds=LEASE_SECONDS), attempts=F("attempts") + 1
        )
        email.attempts += 1
    return email


def _try(email: Email) -> None:
    """Send one email and record what came of it; whatever that is, the order does not learn of it.

    Raises: the Fault, after noting it.
    """
    if email.attempts > rules.MAX_ATTEMPTS:
        _give_up(email, email.last_error or "its worker died every time")
        return
    try:
        gateways.send(render(email, orders.get_order(order_id=email.order_id)))
    except Refusal as refusal:
        _give_up(email, f"{refusal.code}: {refusal}")
    except Fault as fault:
        _try_later(email, f"{fault.code}: {fault}")
        raise
    except SoftTimeLimitExceeded:
        raise  # nobody knows what became of it: its lease decides
    except Exception as error:
        # A bug, in a template say: count it as a failed attempt, and let it rise so that it is seen.
        _try_later(email, type(error).__name__)
        raise
    else:
        _record_sent(email)


def _record_sent(email: Email) -> None:
    with transactions.transaction("notifications"):
        change_status(
            Email,
            email.pk,
            expected={EmailStatus.PENDING},
            to=EmailStatus.SENT,
            event=EmailSent(order_id=email.order_id, kind=email.kind),
            sent_at=Now(),
            due_at=None,
            last_error="",
        )
    log.info("email.sent", email_id=str(email.pk), order_id=str(email.order_id), kind=email.kind)


def _try_later(email: Email, error: str) -> None:
    if email.attempts >= rules.MAX_ATTEMPTS:
        _give_up(email, error)
        return
    wait = Email.postpone(email.pk, error=error, attempts=email.attempts, cap_seconds=rules.BACKOFF_CAP_SECONDS)
    log.warning("email.postponed", email_id=str(email.pk), in_seconds=round(wait), attempts=email.attempts, error=error)


def _give_up(email: Email, error: str) -> None:
    with transactions.transaction("notifications"):
        change_status(
            Email,
            email.pk,
            expected={EmailStatus.PENDING},
            to=EmailStatus.FAILED,
            event=EmailFailed(order_id=email.order_id, kind=email.kind),
            failed_at=Now(),
            due_at=None,
            last_error=error[-4000:],
        )
    log.error("email.failed", email_id=str(email.pk), order_id=str(email.order_id), kind=email.kind, error=error)
