"""Card testing is stopped: after a number of declined cards within an hour, no further payment is taken (ADR 46).

It counts what banks refuse, each card of an order once, by three: the customer, a guest's mailbox, and where the request
comes from. A payment that had no outcome when it was answered is asked about before the next one.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from django.utils.crypto import salted_hmac
from prometheus_client import Counter
from rest_framework.request import Request

from payments import api as payments
from shop.errors import Refusal
from shop.mail_address import same_mailbox
from shop.rest.idempotency import Answer, NotFinal, response_of
from shop.rest.throttling import Tally, network_of

log = structlog.get_logger(__name__)

STOPPED = Counter(
    "shop_card_attempts_stopped", "Payments that were refused since too many cards had been declined, by whose", ["of"]
)
CUSTOMER, MAILBOX, ADDRESS = OF = ("customer", "mailbox", "address")
# Create the series at start-up: an increase from nothing is not seen.
for _of in OF:
    STOPPED.labels(_of)


class TooManyDeclined(Refusal):
    """Too many cards were declined lately for this customer, this guest's mailbox or this address, so no other is tried.

    No card was asked, and nothing was recorded. It ends within the hour, after Retry-After.
    """

    code = "too_many_cards_declined"
    title = "Too many cards were declined; try again later"
    http_status = 429
    fact_types = {"retry_after_seconds": int}


class CardsTried:
    """The cards that were declined for whoever sends a request. `guest_at`: where a guest's mails go; None for an account.

    Guests and accounts of one address count apart: guests are made in no time, and must not close an office to its accounts.
    """

    def __init__(self, request: Request, *, guest_at: str | None) -> None:
        kind = "accounts" if guest_at is None else "guests"
        self._tallies = {
            CUSTOMER: Tally("declined_cards", f"customer:{request.user.pk}", cache="customers"),
            ADDRESS: Tally("declined_cards_of_many", f"address:{kind}:{network_of(request)}"),
        }
        if guest_at:
            # The cache may be a table: it holds no address of a mail.
            digest = salted_hmac("orders.declined.mailbox", same_mailbox(guest_at), algorithm="sha256").hexdigest()
            self._tallies[MAILBOX] = Tally("declined_cards_of_many", f"mailbox:{digest}")

    def refuse_too_many(self) -> None:
        """Insist that not too many were declined. Raises: TooManyDeclined."""
        self._settle()
        wait, of = max((tally.wait(), of) for of, tally in self._tallies.items())
        if wait > 0:
            STOPPED.labels(of).inc()
            log.warning("order.card_attempt_stopped", of=of)
            raise TooManyDeclined(retry_after_seconds=math.ceil(wait))

    def note(self, answer: Answer, *, order_id: uuid.UUID, payment_method: str) -> None:
        """Note what became of a card: by the answer, or, where that does not say it yet, once it is asked about."""
        status = response_of(answer).status_code
        declined = status == HTTPStatus.PAYMENT_REQUIRED
        is_decided = not isinstance(answer, NotFinal) and status < HTTPStatus.INTERNAL_SERVER_ERROR
        if declined or not is_decided:
            name = _name_of(order_id, payment_method)
            for tally in self._tallies.values():
                tally.note(name, open_about="" if declined else str(order_id))

    def _settle(self) -> None:
        """Ask what became of the cards whose answers did not say it."""
        opened = {of: tally.open_ones() for of, tally in self._tallies.items()}
        orders = sorted({about for each in opened.values() for about in each.values()})
        if not orders:
            return
        found = payments.get_payments(order_ids=[uuid.UUID(order_id) for order_id in orders])
        declined = {_name_of(payment.order_id, method) for payment in found.values() for method in payment.declined}
        decided = {str(order_id) for order_id, payment in found.items() if not payment.is_open}
        for of, tally in self._tallies.items():
            names: Sequence[tuple[str, str]] = tuple(opened[of].items())
            tally.settle({name: name in declined for name, about in names if name in declined or about in decided})


def _name_of(order_id: uuid.UUID, payment_method: str) -> str:
    return hashlib.sha256(f"{order_id} {payment_method}".encode()).hexdigest()[:32]
