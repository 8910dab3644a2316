"""Rendering and sending: claim and count the attempt, commit, read the order, ask the mail server, record.

Nothing outside is asked within a transaction, and the outcome is recorded by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parseaddr
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.template.loader import render_to_string

from notifications import gateways, metrics, rules
from notifications.events import EmailFailed, EmailSent, EmailWithheld
from notifications.models import GOES_FIRST, Email, EmailKind, EmailStatus
from notifications.services import limits
from orders import api as orders
from shop import transactions
from shop.countries import country_name
from shop.errors import Fault, Refusal
from shop.events import outbox
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.locales import babel_locale
from shop.statements import Statement
from shop.states import change_status
from shop.work.background import wake
from shop.work.rows import Claimed, DueRows, whole
from shop.work.turn import Work, take_turn

log = structlog.get_logger(__name__)


class RecipientErased(Refusal):
    """The order's address is erased: no mail goes to anybody, whoever asks for it."""

    code = "recipient_erased"
    title = "The recipient's data was erased; there is no address to send to"


# Note [Once per cause]
# Each cause has one row, and two sweeps never claim a row at once, so each cause is mailed once. Only a process that
# dies, or loses its database, after the mail server took the mail and before SENT is committed leaves a row that is sent again, at
# the latest when its lease ends: at least once, chosen over silence. The copy has the same Message-ID, so that mail systems can fold the two.

LEASE_SECONDS = 120
RECORD_SENT = Statement("notifications", "record_sent")


def send_due_emails() -> int:
    """Take a turn at the emails that are due, each under its own lease; return how many were tried.

    The first Fault ends the turn, for a mail server that hangs would cost each of the others its timeout, too: they
    stay due for the next turn.
    """
    return take_turn(SENDING)


def render(email: Email, order: orders.OrderState, *, returned: orders.MoneyReturned | None = None) -> gateways.Message:
    """Return the finished email: subject, text and HTML from the templates of its kind.

    `returned`: what an email about a refunded order names; other kinds need none.
    """
    locale = babel_locale(order.locale)
    lines = [
        {
            "name": line.name,
            "sku": line.sku,
            "quantity": line.quantity,
            "unit_price": line.unit_price.localized(locale=locale),
            "line_total": line.line_total.localized(locale=locale),
        }
        for line in order.lines
    ]
    kind = EmailKind(email.kind).value
    by_bank_only = returned is not None and returned.by_bank.minor and not returned.in_all.minor
    subject = rules.subject(EmailKind.ORDER_CANCELED.value if by_bank_only else kind, number=order.number)
    more = {
        "lines": lines,
        "subtotal": order.subtotal.localized(locale=locale),
        "added": [_adjustment_in_words(each, locale=locale) for each in order.adjustments if not each.included],
        "contained": [_adjustment_in_words(each, locale=locale) for each in order.adjustments if each.included],
        "total": order.total.localized(locale=locale),
        "reason": rules.reason_in_words(email.reason),
        "amount": email.amount.localized(locale=locale) if email.amount else "",
        "returned": _returned_in_words(returned, locale=locale),
    }
    return write(email_id=email.pk, template=kind, subject=subject, order=order, more=more)


def write(
    *, email_id: UUID, template: str, subject: str, order: orders.OrderState, more: Mapping[str, object]
) -> gateways.Message:
    """Return a finished email about an order to its customer: `more` beside what every template is given."""
    is_paid = order.confirmed_at is not None and order.total.minor > 0
    context = {
        "subject": subject,
        "order": order,
        # Made now, for this mail: of a guest's order it holds a token, which is kept nowhere.
        "link": orders.link_to(order=order),
        # Nobody has paid for an order that was never confirmed, or costs nothing, and its email and name may be anybody's: a mail
        # to a stranger must not carry a text of the sender's choice.
        "greeting": f"Hello {order.shipping_address.name}" if is_paid else "Hello",
        "shows_address": is_paid,
        "country": country_name(order.shipping_address.country),
        "shop_name": parseaddr(settings.DEFAULT_FROM_EMAIL)[0] or "The shop",
        **more,
    }
    return gateways.Message(
        email_id=email_id,
        order_id=order.order_id,
        to=order.email,
        subject=subject,
        text=render_to_string(f"notifications/{template}.txt", context),
        html=render_to_string(f"notifications/{template}.html", context),
    )


def _adjustment_in_words(adjustment: orders.Adjustment, *, locale: str) -> dict[str, str]:
    """Return a discount, shipping, a fee or a tax as a customer reads it."""
    return {"label": adjustment.label, "amount": adjustment.amount.localized(locale=locale)}


def _returned_in_words(returned: orders.MoneyReturned | None, *, locale: str) -> dict[str, str]:
    """Return the amounts that went back as a customer reads them, without those that are nothing."""
    if returned is None:
        return {}
    amounts = {
        "by_cancel": returned.by_cancel,
        "before": returned.before,
        "in_all": returned.in_all,
        "by_bank": returned.by_bank,
    }
    return {name: amount.localized(locale=locale) for name, amount in amounts.items() if amount.minor}


def _try_together(emails: Sequence[Email]) -> Callable[[Email], None]:
    """Return `_try` for these emails, which knows their orders."""
    known = orders.find_orders(order_ids=[email.order_id for email in emails])
    return lambda email: _try(email, known.get(email.order_id))


def _try(email: Email, known: orders.OrderState | None = None) -> None:
    """Send one email and record that it was sent. Raises: EmailUndeliverable, MailServerUnavailable, orders' refusals."""
    if email.attempts >= rules.MAX_ATTEMPTS:
        _give_up(email, email.last_error or "its worker died every time")
        return
    order = known or orders.get_order(order_id=email.order_id)
    if order.erased:
        raise RecipientErased(order_id=str(order.order_id))
    if not limits.may_be_sent(email, order):
        _withhold(email, order)
        return
    is_refunded = email.kind == EmailKind.ORDER_REFUNDED
    returned = orders.get_money_returned(order=order) if is_refunded else None
    gateways.send(render(email, order, returned=returned))
    _record_sent(email)


def _after_refusal(claimed: Claimed[Email], refusal: Refusal) -> None:
    _give_up(claimed.row, f"{refusal.code}: {refusal}")


def _after_failure(claimed: Claimed[Email], error: Exception) -> None:
    """Try later, or give up: the claim has counted the attempt. Of a bug, in a template say, its name is kept."""
    _try_later(claimed, f"{error.code}: {error}" if isinstance(error, Fault) else type(error).__name__)


def _record_sent(email: Email) -> None:
    """Move the email to SENT, with its fact, unless it is there already: one statement, one transaction."""
    event = EmailSent(order_id=email.order_id, kind=email.kind)
    Email.status_after(event, expected={EmailStatus.PENDING})
    with transactions.single("notifications"):
        sent = RECORD_SENT.one(email_id=email.pk, **fact(event))
        if sent is not None:
            announce(event)
    if sent == (True,):
        wake(SENDING.sweep, context="notifications")
    log.info("email.sent", email_id=str(email.pk), order_id=str(email.order_id), kind=email.kind)


def _withhold(email: Email, order: orders.OrderState) -> None:
    """Leave an email about an unpaid order unsent, with the reason on record: its mailbox has had as many as it gets."""
    limit = rules.RECIPIENT_LIMIT if order.total.minor else rules.RECIPIENT_LIMIT_FREE
    most, seconds = settings.MAX_UNPAID_ORDER_EMAILS, settings.UNPAID_ORDER_EMAILS_SECONDS
    with transactions.transaction("notifications"):
        moved = change_status(
            Email,
            email.pk,
            expected={EmailStatus.PENDING},
            event=EmailWithheld(order_id=email.order_id, kind=email.kind),
            due_at=None,
            last_error=f"{limit}: its recipient gets {most} emails about unpaid orders in {seconds} s",
        )
    if moved is not None:
        metrics.WITHHELD.inc()
        log.warning("email.withheld", email_id=str(email.pk), order_id=str(email.order_id), kind=email.kind)


def _try_later(claimed: Claimed[Email], error: str) -> None:
    attempts = claimed.attempts + 1
    if attempts >= rules.MAX_ATTEMPTS:
        _give_up(claimed.row, error)
        return
    EMAILS.postpone(claimed, error=error, cap_seconds=rules.BACKOFF_CAP_SECONDS)


def _give_up(email: Email, error: str) -> None:
    with transactions.transaction("notifications"):
        change_status(
            Email,
            email.pk,
            expected={EmailStatus.PENDING},
            event=EmailFailed(order_id=email.order_id, kind=email.kind),
            failed_at=Now(),
            due_at=None,
            last_error=error[-4000:],
        )
    log.error("email.failed", email_id=str(email.pk), order_id=str(email.order_id), kind=email.kind, error=error)


# Taken in the order of their causes, since customers read them as things happened: one that comes after another of its
# order waits until that is sent or given up; an earlier one without a moment is never taken and holds nobody back. CASE and
# coalesce() keep PostgreSQL from the index of all that waits: it looks cheap while nothing does, and a backlog would be read whole
# for each claim, or for each email. OFFSET 0 has the earlier ones looked for only of the emails that the claim comes to.
IN_TURN = (
    "CASE WHEN status = 'PENDING' THEN TRUE END AND NOT EXISTS (SELECT 1 FROM notifications_email AS earlier WHERE earlier.order_id ="
    " due.order_id AND coalesce(earlier.status, '') = 'PENDING' AND coalesce(earlier.due_at, '-infinity') > '-infinity'"
    " AND (earlier.queued_at, earlier.id) < (due.queued_at, due.id) OFFSET 0)"
)
# As the index notifications_email_first has it, word for word.
FIRST = f"CASE WHEN kind = '{GOES_FIRST.value}' THEN due_at END"
# The claim counts the attempt, so that an email that crashes its worker is given up eventually.
EMAILS: DueRows[Email] = DueRows(
    model=Email,
    lease_seconds=lambda: LEASE_SECONDS,
    only=IN_TURN,
    first=FIRST,
    counts_attempts=True,
    trace=outbox.trace_sql(Email, "due.id"),
    **whole(Email),
)
SENDING = Work(
    sweep="notifications.send_due_emails",
    rows=EMAILS,
    do=_try,
    together=_try_together,
    at_a_time=20,
    claims_until_empty=True,
    ends_at_fault=True,
    refused=_after_refusal,
    postpone=_after_failure,
)
