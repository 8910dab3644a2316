"""The link of an order, mailed on request: to the order's own address, whoever asks, and once in a while.

# Note [Hit or miss]
To ask writes one row, whether there is such an order or not, and is answered before anybody has looked. So neither the
answer nor its time tells whether a number and an address belong together. The sweep finds out, and mails or forgets. Nobody
wakes it: the process that answered does not work on it next.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models.functions import Now

from notifications import gateways, rules
from notifications.models import LinkRequest
from notifications.services.limits import lock_recipient, recipient_key
from notifications.services.sending import write
from orders import api as orders
from shop import transactions
from shop.errors import Refusal
from shop.statements import Statement
from shop.work.rows import Claimed, DueRows, whole
from shop.work.turn import Work, take_turn

_ADMIT = Statement("notifications", "admit_link")
_SWEEP = "notifications.send_order_links"
LEASE_SECONDS = 120

log = structlog.get_logger(__name__)


def ask_for_link(*, number: str, email: str) -> None:
    """Have the link of the order with this number mailed to its address, if that is `email`; see Note [Hit or miss]."""
    with transactions.transaction("notifications"):
        LinkRequest.objects.create(number=number, recipient_key=recipient_key(email), due_at=Now())


def send_order_links() -> int:
    """Take a turn at the requests that are due; return how many were looked at."""
    return take_turn(LINKS)


def _answer(request: LinkRequest) -> None:
    """Mail the link, or forget the request. Raises: EmailUndeliverable, MailServerUnavailable."""
    order = None if request.told_at else _order_of(request)
    if order is None or not _is_admitted(request, order):
        _forget(request.pk)
        return
    kind = "order_link"
    subject = rules.subject(kind, number=order.number)
    gateways.send(write(email_id=request.pk, template=kind, subject=subject, order=order, more={}))
    log.info("order_link.sent", request_id=str(request.pk), order_id=str(order.order_id))
    with transactions.transaction("notifications"):
        LinkRequest.objects.filter(pk=request.pk).update(
            told_at=Now(), due_at=Now() + timedelta(seconds=settings.ORDER_LINK_MAIL_SECONDS)
        )


def _order_of(request: LinkRequest) -> orders.OrderState | None:
    """Return the order that is meant, if its address is the one that was named; None where a link would come too late."""
    order = orders.get_by_number(number=request.number)
    if order is None or order.erased or recipient_key(order.email) != request.recipient_key:
        return None
    latest = timedelta(seconds=rules.LINK_LATEST_SECONDS)
    return order if LinkRequest.objects.filter(pk=request.pk, asked_at__gt=Now() - latest).exists() else None


def _is_admitted(request: LinkRequest, order: orders.OrderState) -> bool:
    with transactions.transaction("notifications"):
        # In a statement of its own: the next one has to see what was committed while we waited.
        lock_recipient(request.recipient_key)
        admitted = _ADMIT.one(request_id=request.pk, order_id=order.order_id, seconds=settings.ORDER_LINK_MAIL_SECONDS)
    return admitted is not None


def _forget(request_id: uuid.UUID) -> None:
    with transactions.transaction("notifications"):
        LinkRequest.objects.filter(pk=request_id).delete()


def _after_refusal(claimed: Claimed[LinkRequest], refusal: Refusal) -> None:
    log.warning("order_link.refused", request_id=str(claimed.pk), code=refusal.code)
    _forget(claimed.pk)


REQUESTS: DueRows[LinkRequest] = DueRows(model=LinkRequest, lease_seconds=lambda: LEASE_SECONDS, **whole(LinkRequest))
LINKS = Work(sweep=_SWEEP, rows=REQUESTS, do=_answer, ends_at_fault=True, refused=_after_refusal)
